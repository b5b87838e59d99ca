package host

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

func TestHealth(t *testing.T) {
	free := uint64(1 << 40)
	db, err := embedded.Open(t.TempDir(), embedded.Options{FreeBytes: func() (uint64, error) { return free, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := db.Hub("Orders", store.HubOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(store, nil, engine.Options{})
	h := &health{db: embedded.Provider{DB: db}, engine: func() *engine.Engine { return e }}
	unasked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	handler := h.wrap(unasked, httpPaths(nil))
	want := func(method, path string, code int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, "http://10.1.2.3"+path, nil))
		if w.Code != code || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s %s: %d %s, want %d with %s", method, path, w.Code, w.Body, code, body)
		}
	}
	want("GET", "/healthz", 200, "ok")
	want("GET", "/readyz", 503, `{"ready":false,"reasons":["hub not owned"]}`)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()                             // received below
	if err := e.CheckImport(ctx, hub.ImportRequest{}); err != nil { // it has the hub
		t.Fatal(err)
	}
	want("GET", "/readyz", 200, `{"ready":true}`)
	want("HEAD", "/readyz", 200, "")
	want("POST", "/readyz", http.StatusTeapot, "")
	want("GET", "/healthz/x", http.StatusTeapot, "")

	free = 0
	want("GET", "/healthz", 200, "ok")
	want("GET", "/readyz", 503, `"reasons":["no space"]`)
	free = 1 << 40
	h.draining.Store(true)
	want("GET", "/readyz", 503, `"reasons":["draining"]`)
	h.draining.Store(false)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("engine ended with %v", err)
	}
	db.Close()
	want("GET", "/healthz", 503, "restart")
	want("GET", "/readyz", 503, "store broken")

	handler = h.wrap(unasked, httpPaths([]HTTPFunction{{Pattern: "GET /healthz"}}))
	want("GET", "/healthz", http.StatusTeapot, "")
}
