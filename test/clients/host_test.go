package clients

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/perdure/perdure/host"
)

// serve runs the app with those settings until the test ends and returns how it
// is reached.
func serve(t *testing.T, settings string) (info host.Info, key string) {
	dir := t.TempDir()
	text := `{"version": "2.0", "extensions": {"durableTask": ` + settings + `}}`
	if err := os.WriteFile(filepath.Join(dir, "host.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan host.Info, 1), make(chan error, 1)
	go func() { // the cleanup ends it and waits for it
		ended <- host.Run(ctx, App(), host.Options{
			Dir: dir, Environ: []string{}, DataDir: filepath.Join(dir, "data"),
			OnReady: func(_ context.Context, info host.Info) error { ready <- info; return nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !t.Failed() {
			t.Errorf("the host: %v", err)
		}
	})
	select {
	case info = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the host ended: %v", err)
	}
	return info, systemKey(t, filepath.Join(dir, "data", "keys.json"))
}

// binding asks the host for what a client is made of (docs/contracts/http-api.md 7).
func binding(t *testing.T, info host.Info, key string) []byte {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, info.URL+"/runtime/webhooks/durabletask/binding", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-functions-key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET binding: %d %s, %v", res.StatusCode, body, err)
	}
	return body
}

// systemKey reads the key that the host made.
func systemKey(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ SystemKeys []struct{ Value string } }
	if err := json.Unmarshal(text, &file); err != nil || len(file.SystemKeys) == 0 {
		t.Fatalf("%s: %v", path, err)
	}
	return file.SystemKeys[0].Value
}
