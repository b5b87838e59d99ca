package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/store/memory"
)

// answer sends a request to a handler with options o and an Other that tells
// who calls.
func answer(t *testing.T, o httpapi.Options, path string, header map[string]string) (int, string) {
	t.Helper()
	o.Hub, o.TaskHub = engine.New(memory.New(1), nil, engine.Options{}), "TestHub"
	o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "other for "+httpapi.Caller(r.Context()))
	})
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Host = "127.0.0.1:7071"
	for name, value := range header {
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	w := httptest.NewRecorder()
	httpapi.New(o).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestOtherPathsAreCheckedAsTheAPIsAre(t *testing.T) {
	keys := httpapi.FixedKeys(httpapi.Key{Name: "system", Value: "KEY"})
	for _, tt := range []struct {
		name   string
		o      httpapi.Options
		path   string
		header map[string]string
		code   int
		body   string
	}{
		{"no keys", httpapi.Options{}, "/orders", nil, 200, "other for anonymous"},
		{"key", httpapi.Options{Keys: keys}, "/orders?code=KEY", nil, 200, "other for system"},
		{"no key", httpapi.Options{Keys: keys}, "/orders", nil, 401, ""},
		{"open", httpapi.Options{Keys: keys, Open: true}, "/orders", nil, 200, "other for anonymous"},
		{"open with a key", httpapi.Options{Keys: keys, Open: true}, "/orders", map[string]string{"x-functions-key": "KEY"}, 200, "other for system"},
		{"other host", httpapi.Options{Loopback: true}, "/orders", map[string]string{"Host": "evil.example"}, 421, "evil.example"},
		{"other origin", httpapi.Options{}, "/orders", map[string]string{"Origin": "http://evil.example"}, 403, "origins"},
		{"the API's paths", httpapi.Options{}, httpapi.BasePath + "/nothing", nil, 404, ""},
	} {
		code, body := answer(t, tt.o, tt.path, tt.header)
		if code != tt.code || !strings.Contains(body, tt.body) || tt.body == "" && strings.Contains(body, "other") {
			t.Errorf("%s: %d %q, want %d and %q", tt.name, code, body, tt.code, tt.body)
		}
	}
}

func TestOpenServersHandOutLinksWithoutKeys(t *testing.T) {
	h := httpapi.New(httpapi.Options{
		Hub: engine.New(memory.New(1), nil, engine.Options{}), TaskHub: "TestHub", Open: true, Keys: httpapi.FixedKeys(httpapi.Key{Value: "KEY"}),
	})
	if code := h.LinkCodes(t.Context(), "x")("status"); code != "" {
		t.Errorf("LinkCode = %q, want none", code)
	}
}
