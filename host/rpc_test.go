package host_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/perdure/perdure/host"
)

// docs/contracts/http-api.md 10, row 21: worker processes bring no key, hub or connection,
// whatever the API itself demands.
func TestHTTP_021_LocalRPCEndpoint(t *testing.T) {
	dir := withHostJSON(t, `"localRpcEndpointEnabled":true,"management":{"requireKey":true}`)
	h := start(t, dir, host.Options{})
	defer h.stop(t)
	rpc := h.Info.RPCBaseURL
	if !strings.HasPrefix(rpc, "http://127.0.0.1:") || !strings.HasSuffix(rpc, "/durabletask/") {
		t.Fatalf("RPCBaseURL = %q", rpc)
	}
	res, err := http.Post(rpc+"orchestrators/Echo/x", "application/json", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("start over the local RPC endpoint: %d %s, %v", res.StatusCode, body, err)
	}
	// Links lead to the API (2.5). Who brought no key gets none.
	var links struct{ StatusQueryGetURI string }
	if err := json.Unmarshal(body, &links); err != nil {
		t.Fatal(err)
	}
	want := h.Info.URL + "/runtime/webhooks/durabletask/instances/x?taskHub=" + h.Info.TaskHub + "&connection=Storage"
	if links.StatusQueryGetURI != want {
		t.Errorf("status link = %s, want %s", links.StatusQueryGetURI, want)
	}
	wantCode(t, http.StatusNotFound, rpc+"instances/nobody")
	wantCode(t, http.StatusNotFound, strings.TrimSuffix(rpc, "durabletask/")+"runtime/webhooks/durabletask/instances/x")
	wantCode(t, http.StatusMisdirectedRequest, rpc+"instances/x", "Host", "evil.example")
	wantCode(t, http.StatusUnauthorized, h.Info.URL+"/runtime/webhooks/durabletask/instances/x")
	wantCode(t, http.StatusNotFound, h.Info.URL+"/durabletask/instances/x", "x-functions-key", theKey(t, dir))
}

func TestNoLocalRPCEndpointUnlessEnabled(t *testing.T) {
	h := start(t, t.TempDir(), host.Options{})
	defer h.stop(t)
	if h.Info.RPCBaseURL != "" {
		t.Errorf("RPCBaseURL = %q, want none", h.Info.RPCBaseURL)
	}
}
