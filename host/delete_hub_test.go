package host_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// noInstance checks that c's hub has no instance x, and takes one.
func noInstance(t *testing.T, c *client.Client) {
	t.Helper()
	if _, err := c.Status(t.Context(), "x", client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Status after the deletion error = %v, want ErrNotFound", err)
	}
}

func TestDeleteHubThatAHostServes(t *testing.T) {
	dir := t.TempDir()
	var log journal
	r := start(t, dir, host.Options{Logger: log.logger()})
	commandLine, release, err := connect(t, dir, "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for name, c := range map[string]*client.Client{"program": r.Client, "command line": commandLine} {
		if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{}); !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), "a host serves task hub DurableFunctionsHub") {
			t.Errorf("%s: DeleteHub error = %v, want ErrInvalidState", name, err)
		}
		if _, err := r.Client.Status(t.Context(), "x", client.StatusOptions{}); err != nil {
			t.Errorf("%s: Status after a refusal error: %v", name, err)
		}
		if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{Force: true}); err != nil {
			t.Errorf("%s: DeleteHub with force error: %v", name, err)
		}
		noInstance(t, r.Client)
		noInstance(t, commandLine)
		id, err := c.Start(t.Context(), "Echo", 3, client.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if st, err := c.Wait(t.Context(), id); err != nil || string(st.Output) != "3" {
			t.Errorf("%s: an instance of the new hub = %+v, %v; want output 3", name, st, err)
		}
	}
	r.stop(t)
	var results []any
	for _, entry := range log.changes(t) {
		if entry["what"] == "delete-hub" {
			results = append(results, entry["who"], entry["force"])
		}
	}
	if len(results) != 8 {
		t.Errorf("audit of deletions = %v, want four", results)
	}
	r = start(t, dir, host.Options{})
	defer r.stop(t)
	noInstance(t, r.Client)
}

func TestDeleteOtherHubs(t *testing.T) {
	dir := t.TempDir()
	_, release, err := connect(t, dir, "OtherHub", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	c, release, err := connect(t, dir, "otherhub", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.Start(t.Context(), "Any", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{}); err != nil {
		t.Errorf("DeleteHub of a hub that runs nothing error: %v", err)
	}
	if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{}); !errors.Is(err, client.ErrHubNotFound) {
		t.Errorf("second DeleteHub error = %v, want ErrHubNotFound", err)
	}
	if _, err := c.Status(t.Context(), "x", client.StatusOptions{}); !errors.Is(err, client.ErrHubNotFound) {
		t.Errorf("Status in a deleted hub error = %v, want ErrHubNotFound", err)
	}
}

func TestDeleteHubWithoutAHost(t *testing.T) {
	dir := t.TempDir()
	c, release, err := connect(t, dir, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), "Any", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{}); err != nil {
		t.Errorf("DeleteHub error: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := connect(t, dir, "", false); !errors.Is(err, client.ErrHubNotFound) {
		t.Errorf("Connect to a deleted hub error = %v, want ErrHubNotFound", err)
	}
}

func TestOnlyTheEndpointsKeyDeletesAHub(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true}`)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	address := r.URL + "/admin/perdure/delete-hub?force=true&taskHub=DurableFunctionsHub"
	for _, headers := range [][]string{nil, {"x-functions-key", theKey(t, dir)}} {
		if code, _ := request(t, http.MethodPost, address, headers...); code != 401 {
			t.Errorf("POST delete-hub with %q = %d, want 401", headers, code)
		}
	}
	remote := client.Remote(r.URL, client.RemoteOptions{Key: theKey(t, dir)})
	if err := remote.DeleteHub(t.Context(), client.DeleteHubOptions{Force: true}); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("DeleteHub with a system key error = %v, want ErrUnauthenticated", err)
	}
}

// A slip in the hub's name must not delete the app's own hub.
func TestADeletionThatIsNotUnderstoodDeletesNothing(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ".perdure", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	var endpoint struct{ Key string }
	if err := json.Unmarshal(text, &endpoint); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"taskHubb=DurableFunctionsHub", "taskHub=", "taskHub", "taskHub=%zz", "taskHub=OtherHub&taskHub=DurableFunctionsHub", "force=true&force=false",
		"force=", "=", "dryRun=true", "taskhub=OtherHub;x",
	} {
		code, body := request(t, http.MethodPost, r.URL+"/admin/perdure/delete-hub?force=true&"+query, "x-functions-key", endpoint.Key)
		if code != http.StatusBadRequest {
			t.Errorf("POST delete-hub?force=true&%s = %d %s, want 400", query, code, body)
		}
		if _, err := r.Client.Status(t.Context(), "x", client.StatusOptions{}); err != nil {
			t.Fatalf("Status after that: %v", err)
		}
	}
}

func TestAMissingHubIsToldOnce(t *testing.T) {
	r := start(t, t.TempDir(), host.Options{})
	_, err := client.Remote(r.URL, client.RemoteOptions{TaskHub: "Nowhere"}).Status(t.Context(), "x", client.StatusOptions{})
	if want := "status x: task hub not found: Nowhere"; !errors.Is(err, client.ErrHubNotFound) || err.Error() != want {
		t.Errorf("Status error = %v, want %s", err, want)
	}
}
