package clients

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/host"
)

// The package durable-functions of npm, as it is, against a host. js/ pins its
// version and holds what is asked of it.
func TestJavaScriptClient(t *testing.T) {
	install(t)
	t.Run("local endpoint", func(t *testing.T) {
		info, _ := serve(t, false)
		b := binding(info, "none")
		b.RPCBaseURL = info.URL + "/runtime/webhooks/durabletask/"
		drive(t, b)
	})
	t.Run("webhooks with a key", func(t *testing.T) {
		info, key := serve(t, true)
		drive(t, binding(info, key))
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

// serve runs the app until the test ends and returns how it is reached.
func serve(t *testing.T, requireKey bool) (info host.Info, key string) {
	dir := t.TempDir()
	if requireKey {
		text := `{"version": "2.0", "extensions": {"durableTask": {"management": {"requireKey": true}}}}`
		if err := os.WriteFile(filepath.Join(dir, "host.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
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
	if requireKey {
		key = systemKey(t, filepath.Join(dir, "data", "keys.json"))
	}
	return info, key
}

// clientBinding is what a Functions host gives to the client of a function
// (spec/http-api.md 7).
type clientBinding struct {
	TaskHubName    string            `json:"taskHubName"`
	CreationURLs   map[string]string `json:"creationUrls"`
	ManagementURLs map[string]string `json:"managementUrls"`
	BaseURL        string            `json:"baseUrl"`
	Required       string            `json:"requiredQueryStringParameters"`
	RPCBaseURL     string            `json:"rpcBaseUrl,omitempty"`
}

func binding(info host.Info, code string) clientBinding {
	base := info.URL + "/runtime/webhooks/durabletask"
	instance, query := base+"/instances/INSTANCEID", "taskHub="+info.TaskHub+"&connection=Storage&code="+code
	return clientBinding{
		TaskHubName: info.TaskHub,
		CreationURLs: map[string]string{
			"createNewInstancePostUri":          base + "/orchestrators/{functionName}[/{instanceId}]?code=" + code,
			"createAndWaitOnNewInstancePostUri": base + "/orchestrators/{functionName}[/{instanceId}]?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&code=" + code,
		},
		ManagementURLs: map[string]string{
			"id":                    "INSTANCEID",
			"statusQueryGetUri":     instance + "?" + query,
			"sendEventPostUri":      instance + "/raiseEvent/{eventName}?" + query,
			"terminatePostUri":      instance + "/terminate?reason={text}&" + query,
			"rewindPostUri":         instance + "/rewind?reason={text}&" + query,
			"purgeHistoryDeleteUri": instance + "?" + query,
			"restartPostUri":        instance + "/restart?" + query,
			"suspendPostUri":        instance + "/suspend?reason={text}&" + query,
			"resumePostUri":         instance + "/resume?reason={text}&" + query,
		},
		BaseURL:  base,
		Required: "code=" + code,
	}
}

// drive runs the JavaScript tests with b.
func drive(t *testing.T, b clientBinding) {
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--test", "client.test.mjs")
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "PERDURE_BINDING="+string(text))
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
