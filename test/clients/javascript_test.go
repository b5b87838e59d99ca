package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

// drive runs the JavaScript tests with a binding.
func drive(t *testing.T, binding []byte) {
	cmd := exec.CommandContext(t.Context(), "node", "--test", "client.test.mjs")
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "PERDURE_BINDING="+string(binding))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
