package clients

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/host"
)

// The package durable-functions of npm, as it is, against a host. js/ pins its
// version and holds what is asked of it.
func TestHTTP_150to152_JavaScriptClient(t *testing.T) {
	install(t)
	t.Run("local endpoint", func(t *testing.T) {
		info, _ := serve(t, `{"localRpcEndpointEnabled": true}`)
		drive(t, binding(t, info, ""))
	})
	t.Run("webhooks with a key", func(t *testing.T) {
		info, key := serve(t, `{"management": {"requireKey": true}}`)
		drive(t, binding(t, info, key))
	})
}

// install fetches the pinned packages unless they are there.
func install(t *testing.T) {
	lock, err := os.ReadFile("js/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join("js", "node_modules", ".installed")
	if done, err := os.ReadFile(stamp); err == nil && string(done) == string(lock) {
		return
	}
	npm(t, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	if err := os.WriteFile(stamp, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}

func npm(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "npm", args...)
	cmd.Dir = "js"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm %s: %v (`make needs` installs Node.js and npm)\n%s", strings.Join(args, " "), err, out)
	}
}

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

// binding asks the host for what a client is made of (spec/http-api.md 7).
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

// drive runs the JavaScript tests with a binding.
func drive(t *testing.T, binding []byte) {
	cmd := exec.CommandContext(t.Context(), "node", "--test", "client.test.mjs")
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "PERDURE_BINDING="+string(binding))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
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
