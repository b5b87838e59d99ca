package host_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// A program serves the host's handler beside its own, on a server of its own.
func TestHandlerOnAServerOfTheProgram(t *testing.T) {
	dir := t.TempDir()
	a, err := host.Start(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}, Port: host.NoPort})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.URL != "" {
		t.Errorf("URL = %q, want none", a.URL)
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.Handler)
	mux.HandleFunc("/mine", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "mine") })
	server := httptest.NewServer(mux)
	defer server.Close()

	text, err := os.ReadFile(filepath.Join(dir, ".perdure", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys struct{ SystemKeys []struct{ Value string } }
	if err := json.Unmarshal(text, &keys); err != nil || len(keys.SystemKeys) == 0 {
		t.Fatalf("keys.json: %v, %d keys", err, len(keys.SystemKeys))
	}
	remote := client.Remote(server.URL, client.RemoteOptions{Key: keys.SystemKeys[0].Value})
	if _, err := remote.Start(t.Context(), "Echo", "hi", client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if st, err := remote.Wait(t.Context(), "x"); err != nil || string(st.Output) != `"hi"` {
		t.Errorf("Wait = %+v, %v", st, err)
	}

	for path, want := range map[string]int{
		"/mine": 200, "/healthz": 200, "/readyz": 200,
		"/runtime/webhooks/durabletask/instances/x": 401, // nobody knows who reaches that server
	} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s = %s, want %d", path, resp.Status, want)
		}
	}

	// The command line comes in all the same.
	c, err := host.Connect(t.Context(), host.ConnectOptions{Dir: dir, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if st, err := c.Status(t.Context(), "x", client.StatusOptions{}); err != nil || !c.Served {
		t.Errorf("Status through the endpoint = %+v, %v, served %t", st, err, c.Served)
	}

	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := remote.Status(t.Context(), "x", client.StatusOptions{}); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("Status after Close: %v, want that it is shutting down", err)
	}
}
