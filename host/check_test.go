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

func TestOnlyTheEndpointsKeyChecksAHub(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true}`)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	const path = "/admin/perdure/check"
	for _, headers := range [][]string{nil, {"x-functions-key", theKey(t, dir)}} {
		if code, body := request(t, http.MethodPost, r.URL+path, headers...); code != http.StatusUnauthorized {
			t.Errorf("POST check with %q = %d %s, want 401", headers, code, body)
		}
	}
	remote := client.Remote(r.URL, client.RemoteOptions{Key: theKey(t, dir)})
	if _, err := remote.Check(t.Context(), client.CheckOptions{}); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("Check with a system key error = %v, want ErrUnauthenticated", err)
	}

	text, err := os.ReadFile(filepath.Join(dir, ".perdure", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	var endpoint struct{ Key string }
	if err := json.Unmarshal(text, &endpoint); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"": 200, "?taskHub=durablefunctionshub": 200, "?taskHub=Nowhere": 404, "?taskHubb=x": 400, "?taskHub=a&taskHub=b": 400} {
		code, body := request(t, http.MethodPost, r.URL+path+query, "x-functions-key", endpoint.Key)
		if code != want || want == 200 && !strings.Contains(body, `"report":{"instances":0`) {
			t.Errorf("POST check%s = %d %s, want %d", query, code, body, want)
		}
	}
}
