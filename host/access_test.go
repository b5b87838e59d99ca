package host_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// What is asked here is asked over the network, as strangers do.

const api = "/runtime/webhooks/durabletask"

// linksOf starts an instance and returns its links by name.
func linksOf(t *testing.T, start string, headers ...string) map[string]string {
	t.Helper()
	code, body := request(t, http.MethodPost, start, headers...)
	var links map[string]string
	if err := json.Unmarshal([]byte(body), &links); err != nil || code != http.StatusAccepted {
		t.Fatalf("POST %s = %d %s, want 202 and links", start, code, body)
	}
	return links
}

// codeOf is the code in a link; "" if there is none.
func codeOf(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("code")
}

const limitedLinks = `"management":{"requireKey":true,"links":{"scope":"instance","lifetime":"01:00:00"}}`

// A restart's answer is what its link could be traded for (F2).
func TestALinkMintsNoLinks(t *testing.T) {
	dir := withHostJSON(t, limitedLinks)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	key := []string{"x-functions-key", theKey(t, dir)}
	links := linksOf(t, r.URL+api+"/orchestrators/Wait/x", key...)
	if code, body := request(t, http.MethodPost, strings.Replace(links["terminatePostUri"], "{text}", "x", 1)); code != http.StatusAccepted {
		t.Fatalf("terminate by its link = %d %s", code, body)
	}
	wantCode(t, 200, links["statusQueryGetUri"]+"&wait=10")
	restart := links["restartPostUri"]
	for _, more := range []string{"restartWithNewInstanceId=false", "restartWithNewInstanceId=true", "restartWithNewInstanceId", "timeout=1", "timeout=0", "pollingInterval=1"} {
		if code, body := request(t, http.MethodPost, restart+"&"+more); code != http.StatusForbidden {
			t.Errorf("restart by a link with %s = %d %s, want 403", more, code, body)
		}
	}
	fresh := linksOf(t, restart)
	for name, link := range fresh {
		if name != "id" && codeOf(t, link) != "" {
			t.Errorf("%s in the answer to a link holds a code: %s", name, link)
		}
	}
	wantCode(t, 401, fresh["statusQueryGetUri"])
	wantCode(t, 401, r.URL+api+"/instances/"+fresh["id"]+"?code="+codeOf(t, restart))
}

// F14: a link is bound to the instance that it was made for, not to its id.
func TestALinkEndsWithItsInstance(t *testing.T) {
	dir := withHostJSON(t, limitedLinks)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	key := []string{"x-functions-key", theKey(t, dir)}
	old := linksOf(t, r.URL+api+"/orchestrators/Wait/x", key...)
	if code, body := request(t, http.MethodDelete, r.URL+api+"/instances/x?force=true", key...); code != http.StatusOK {
		t.Fatalf("purge = %d %s", code, body)
	}
	wantCode(t, 404, old["statusQueryGetUri"])
	linksOf(t, r.URL+api+"/orchestrators/Wait/x", key...)
	for name, want := range map[string]int{
		"statusQueryGetUri": 404, "sendEventPostUri": 404, "terminatePostUri": 404, "rewindPostUri": 404,
		"purgeHistoryDeleteUri": 404, "restartPostUri": 400, "suspendPostUri": 404, "resumePostUri": 404,
	} {
		method := http.MethodPost
		switch name {
		case "statusQueryGetUri":
			method = http.MethodGet
		case "purgeHistoryDeleteUri":
			method = http.MethodDelete
		}
		link := strings.NewReplacer("{text}", "x", "{eventName}", "go").Replace(old[name])
		if code, body := request(t, method, link); code != want {
			t.Errorf("%s of an instance that was purged and begun anew = %d %s, want %d", name, code, body, want)
		}
	}
	if code, body := request(t, http.MethodGet, r.URL+api+"/instances/x", key...); code != http.StatusAccepted || strings.Contains(body, `"Suspended"`) {
		t.Errorf("the instance that came after = %d %s, want it untouched", code, body)
	}
}

// F14: a code has one form.
func TestCodesOfLinksAreCanonical(t *testing.T) {
	dir := withHostJSON(t, limitedLinks)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	link := linksOf(t, r.URL+api+"/orchestrators/Wait/x", "x-functions-key", theKey(t, dir))["statusQueryGetUri"]
	good := codeOf(t, link)
	with := func(code string) string {
		return strings.Replace(link, url.QueryEscape(good), url.QueryEscape(code), 1)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	others := []string{good[:4] + "\n" + good[4:], good + "\n", "\r" + good, good + "=", good + "==", " " + good, good + "A", "B" + good[1:]}
	for _, last := range alphabet {
		if other := good[:len(good)-1] + string(last); other != good {
			others = append(others, other)
		}
	}
	for _, code := range others {
		wantCode(t, 401, with(code))
	}
	wantCode(t, 202, with(good))
}

// F15: looking counts, on the API and on the app's own functions.
func TestPagesOfOtherOriginsGetNowhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "local.settings.json"), []byte(`{"Host":{"CORS":"https://pages.example"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	called := 0
	r := start(t, dir, host.Options{HTTP: []host.HTTPFunction{{Pattern: "/hello", New: func(*client.Client) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ })
	}}}})
	defer r.stop(t)
	key := "?code=" + theKey(t, dir)
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site"}
	frame := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}
	for _, tt := range []struct {
		name      string
		headers   []string
		api, app  int
		keyed     int // the app's function with a key in the URL
		functions int // how often it was called
	}{
		{"no browser", nil, 200, 200, 200, 2},
		{"typed or from a bookmark", append(navigate, "none"), 200, 200, 200, 2},
		{"the same origin", []string{"Sec-Fetch-Site", "same-origin"}, 200, 200, 200, 2},
		{"an image of another page", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403, 403, 403, 0},
		{"another port of this machine", []string{"Sec-Fetch-Site", "same-site"}, 403, 403, 403, 0},
		{"an old browser", []string{"Origin", "https://evil.example"}, 403, 403, 403, 0},
		{"no origin", []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, 403, 403, 403, 0},
		{"a frame", frame, 403, 403, 403, 0},
		{"a link that somebody follows", append(navigate, "cross-site"), 200, 403, 200, 1},
		{"an allowed page", []string{"Origin", "https://pages.example", "Sec-Fetch-Site", "cross-site"}, 200, 200, 200, 2},
	} {
		called = 0
		wantCode(t, tt.api, r.URL+list, tt.headers...)
		wantCode(t, tt.app, r.URL+"/hello", tt.headers...)
		wantCode(t, tt.keyed, r.URL+"/hello"+key, tt.headers...)
		if called != tt.functions {
			t.Errorf("%s: the function was called %d times, want %d", tt.name, called, tt.functions)
		}
	}
}

// F21: no answer holds a key that the asker did not bring.
func TestNoAnswerHoldsAKeyThatItsAskerDidNotBring(t *testing.T) {
	const second = "0123456789abcdef-ci"
	for name, members := range map[string]string{
		"hub":      `"localRpcEndpointEnabled":true,"management":{"requireKey":true}`,
		"instance": `"localRpcEndpointEnabled":true,` + limitedLinks,
		"none":     `"localRpcEndpointEnabled":true,"management":{"requireKey":true,"links":{"scope":"none"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := withHostJSON(t, members)
			start(t, dir, host.Options{}).stop(t)
			first := theKey(t, dir)
			writeKeys(t, dir, `{"name":"durabletask_extension","value":"`+first+`"},{"name":"ci","value":"`+second+`"}`)
			r := start(t, dir, host.Options{HTTP: []host.HTTPFunction{{Pattern: "/mine", New: func(c *client.Client) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.WriteCheckStatus(w, r, "known", client.CheckStatusOptions{})
				})
			}}}})
			defer r.stop(t)
			request(t, http.MethodPost, r.URL+api+"/orchestrators/Wait/known", "x-functions-key", second)
			for _, route := range []string{"POST /orchestrators/Wait", "POST /instances/known/restart", "GET /instances/known", "GET /binding", "GET /instances", "GET /counts", "GET /openapi.json"} {
				method, path, _ := strings.Cut(route, " ")
				code, body := request(t, method, r.RPCBaseURL+path[1:])
				if code >= 300 || strings.Contains(body, "code=") {
					t.Errorf("%s over RPC = %d %s, want no code in it", route, code, body)
				}
				for _, by := range [][]string{{"x-functions-key", second}, {"x-functions-key", first}} {
					code, body := request(t, method, r.URL+api+path, by...)
					other := first
					if by[1] == first {
						other = second
					}
					if code >= 300 || strings.Contains(body, other) {
						t.Errorf("%s with one key = %d %s, want it without the other one", route, code, body)
					}
					mine := strings.Contains(body, by[1])
					if want := route == "GET /binding" && name != "none" || method == "POST" && name == "hub"; mine != want {
						t.Errorf("%s holds the key that came: %v, want %v: %s", route, mine, want, body)
					}
				}
			}
			_, body := request(t, http.MethodGet, r.URL+"/mine", "x-functions-key", second)
			if strings.Contains(body, first) || strings.Contains(body, second) != (name == "hub") {
				t.Errorf("links that a function makes for a caller: %s, want the caller's key if any", body)
			}
			if link := r.Client.Links("known").StatusQueryGetURI; strings.Contains(link, first) || (codeOf(t, link) != "") != (name == "instance") {
				t.Errorf("link that the program makes for nobody = %s, want a code only if it opens one operation", link)
			}
			if name == "instance" {
				wantCode(t, 202, r.Client.Links("known").StatusQueryGetURI)
			}
		})
	}
}
