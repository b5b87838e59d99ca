package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The package azure-functions-durable of PyPI, as it is, against a host. python/
// pins its version and holds what is asked of it.
func TestPythonClient(t *testing.T) {
	python := installPython(t)
	t.Run("without a key", func(t *testing.T) {
		info, _ := serve(t, `{"localRpcEndpointEnabled": true}`)
		local := binding(t, info, "")
		t.Run("local endpoint", func(t *testing.T) { drivePython(t, python, local) })
		t.Run("webhooks", func(t *testing.T) {
			drivePython(t, python, withRPC(t, local, info.URL+"/runtime/webhooks/durabletask/"))
		})
	})
	t.Run("links with a key", func(t *testing.T) {
		info, key := serve(t, `{"management": {"requireKey": true}}`)
		drivePython(t, python, binding(t, info, key))
	})
}

// installPython makes an environment with the pinned packages, unless it is
// there, and returns its interpreter.
func installPython(t *testing.T) string {
	const pins = "python/requirements.txt"
	want, err := os.ReadFile(pins)
	if err != nil {
		t.Fatal(err)
	}
	env, err := filepath.Abs("python/.venv")
	if err != nil {
		t.Fatal(err)
	}
	python, stamp := filepath.Join(env, "bin", "python"), filepath.Join(env, "installed")
	if done, err := os.ReadFile(stamp); err == nil && string(done) == string(want) && exec.Command(python, "--version").Run() == nil {
		return python
	}
	run(t, "python3", "-m", "venv", "--clear", env)
	run(t, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", pins)
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v (`make needs` installs Python with venv)\n%s", name, strings.Join(args, " "), err, out)
	}
}

// withRPC returns the binding with another address for workers.
func withRPC(t *testing.T, binding []byte, base string) []byte {
	var object map[string]any
	if err := json.Unmarshal(binding, &object); err != nil {
		t.Fatal(err)
	}
	object["rpcBaseUrl"] = base
	changed, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// drivePython runs the Python tests with a binding.
func drivePython(t *testing.T, python string, binding []byte) {
	cmd := exec.CommandContext(t.Context(), python, "-B", "client_test.py")
	cmd.Dir = "python"
	cmd.Env = append(os.Environ(), "PERDURE_BINDING="+string(binding))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
