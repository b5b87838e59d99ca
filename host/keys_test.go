package host_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// withHostJSON returns a folder with a host.json of these members of durableTask.
func withHostJSON(t *testing.T, members string) string {
	t.Helper()
	dir := t.TempDir()
	text := `{"version":"2.0","extensions":{"durableTask":{` + members + `}}}`
	if err := os.WriteFile(filepath.Join(dir, "host.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// theKey reads the first key of the app in dir.
func theKey(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".perdure", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		SystemKeys []struct{ Name, Value string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.SystemKeys[0].Name != "durabletask_extension" {
		t.Errorf("first key is %s, want durabletask_extension", file.SystemKeys[0].Name)
	}
	return file.SystemKeys[0].Value
}

// request sends one over the network, with headers given as name and value in
// turn, and returns status and body.
func request(t *testing.T, method, url string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

const list = "/runtime/webhooks/durabletask/instances"

// wantCode checks the status of a GET with headers.
func wantCode(t *testing.T, want int, url string, headers ...string) {
	t.Helper()
	if code, body := request(t, http.MethodGet, url, headers...); code != want {
		t.Errorf("GET %s with %q = %d %s, want %d", url, headers, code, body, want)
	}
}

func TestNoKeyIsNeededOnALoopbackAddress(t *testing.T) {
	dir := t.TempDir()
	var log journal
	r := start(t, dir, host.Options{Logger: log.logger()})
	defer r.stop(t)
	wantCode(t, 200, r.URL+list)
	wantCode(t, 200, r.URL+list, "x-functions-key", "some client has another one")
	key := theKey(t, dir)
	for _, headers := range [][]string{nil, {"x-functions-key", key}} {
		if code, body := request(t, http.MethodPost, r.URL+"/runtime/webhooks/durabletask/orchestrators/Wait", headers...); code != 202 || strings.Contains(body, key) {
			t.Errorf("start = %d %s, want 202 and links without a key", code, body)
		}
	}
	var who []any
	for _, entry := range log.changes(t) {
		who = append(who, entry["who"])
	}
	if len(who) != 2 || who[0] != "anonymous" || who[1] != "durabletask_extension" {
		t.Errorf("who started = %v, want anonymous and the key's name", who)
	}
}

func TestAKeyIsNeededWhereTheConfigurationDemandsOne(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true}`)
	var out, log journal
	r := start(t, dir, host.Options{Logger: log.logger(), Stdout: &out})
	key := theKey(t, dir)
	wantCode(t, 401, r.URL+list)
	wantCode(t, 401, r.URL+list+"?code=wrong")
	wantCode(t, 401, r.URL+list+"?code=")
	wantCode(t, 200, r.URL+list+"?code="+key)
	wantCode(t, 200, r.URL+list, "x-functions-key", key)
	wantCode(t, 401, r.URL+"/orders")

	// The command line finds the endpoint's key, which no link holds.
	c, release, err := connect(t, dir, "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.Start(t.Context(), "Echo", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Errorf("Start with the endpoint's key error: %v", err)
	}
	if _, err := c.Wait(t.Context(), "x"); err != nil {
		t.Errorf("Wait with the endpoint's key error: %v", err)
	}
	if changes := log.changes(t); len(changes) != 1 || changes[0]["who"] != "command line" {
		t.Errorf("audit = %v, want one start by the command line", changes)
	}
	link := r.Client.Links("x").StatusQueryGetURI
	if !strings.HasPrefix(link, r.URL) || strings.Contains(link, "code=") {
		t.Errorf("link = %s, want one to %s without a key: nobody brought one", link, r.URL)
	}
	wantCode(t, 200, link, "x-functions-key", key)
	r.stop(t)
	if !strings.Contains(out.String(), "keys.json") {
		t.Errorf("stdout:\n%s\nwant it to say where the key is", &out)
	}
	for name, text := range map[string]string{"stdout": out.String(), "log": log.String()} {
		if strings.Contains(text, key) {
			t.Errorf("%s shows the key:\n%s", name, text)
		}
	}
}

func TestLinksCanBeLimited(t *testing.T) {
	r := start(t, withHostJSON(t, `"management":{"requireKey":true,"publicUrl":"https://orders.example","links":{"scope":"instance","lifetime":"01:00:00"}}`), host.Options{})
	defer r.stop(t)
	if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	links := r.Client.Links("x")
	here := func(link string) string {
		rest, ok := strings.CutPrefix(link, "https://orders.example")
		if !ok {
			t.Errorf("link = %s, want one to the public URL", link)
		}
		return r.URL + rest
	}
	wantCode(t, 202, here(links.StatusQueryGetURI))
	wantCode(t, 401, strings.Replace(here(links.StatusQueryGetURI), "/instances/x", "/instances/y", 1))
	if code, _ := request(t, http.MethodPost, strings.Replace(here(links.StatusQueryGetURI), "/instances/x", "/instances/x/terminate", 1)); code != 401 {
		t.Errorf("terminate with the code of the status link = %d, want 401", code)
	}
	if code, _ := request(t, http.MethodPost, here(links.Terminate("enough"))); code != 202 {
		t.Errorf("terminate with its own code = %d, want 202", code)
	}
}

func TestEveryAddressNeedsAKeyUnlessItIsALoopback(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, host.Options{Address: "0.0.0.0", PlainHTTP: true})
	defer r.stop(t)
	if !strings.HasPrefix(r.URL, "http://127.0.0.1:") {
		t.Errorf("URL = %s, want one by which this machine reaches it", r.URL)
	}
	wantCode(t, 401, r.URL+list)
	wantCode(t, 200, r.URL+list+"?code="+theKey(t, dir))
	wantCode(t, 200, r.URL+list+"?code="+theKey(t, dir), "Host", "orders.example") // whatever it is called there
}

func TestHostsAndOriginsThatAreNotOurs(t *testing.T) {
	dir := withHostJSON(t, `"management":{"allowedHosts":["orders.example"]}`)
	if err := os.WriteFile(filepath.Join(dir, "local.settings.json"), []byte(`{"Host":{"CORS":"https://pages.example"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, host.Options{HTTP: []host.HTTPFunction{{Pattern: "/hello", New: func(*client.Client) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	}}}})
	defer r.stop(t)
	for _, path := range []string{list, "/hello", "/api/hello"} {
		wantCode(t, 200, r.URL+path)
		wantCode(t, 200, r.URL+path, "Host", "orders.example:7071")
		wantCode(t, 421, r.URL+path, "Host", "evil.example")
	}
	const start, hello = "/runtime/webhooks/durabletask/orchestrators/Echo", "/hello"
	for _, path := range []string{start, hello} {
		if code, _ := request(t, http.MethodPost, r.URL+path, "Origin", "https://evil.example"); code != 403 {
			t.Errorf("POST %s from a page of another origin = %d, want 403", path, code)
		}
		if code, body := request(t, http.MethodPost, r.URL+path, "Origin", "https://pages.example"); code >= 300 {
			t.Errorf("POST %s from an allowed page = %d %s", path, code, body)
		}
	}
}

func TestKeysStayAndCanBeAdded(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true}`)
	path := filepath.Join(dir, ".perdure", "keys.json")
	start(t, dir, host.Options{}).stop(t)
	key := theKey(t, dir)
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 || len(key) < 50 {
		t.Errorf("keys.json: %v, %v, key of %d characters; want mode 0600 and a long key", info, err, len(key))
	}
	text := `{"systemKeys":[{"name":"durabletask_extension","value":"` + key + `"},{"name":"ci","value":"0123456789abcdef"}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log journal
	r := start(t, dir, host.Options{Logger: log.logger()})
	wantCode(t, 200, r.URL+list+"?code="+key)
	if code, _ := request(t, http.MethodPost, r.URL+"/runtime/webhooks/durabletask/orchestrators/Echo", "x-functions-key", "0123456789abcdef"); code != 202 {
		t.Errorf("start with the second key = %d, want 202", code)
	}
	r.stop(t)
	if changes := log.changes(t); len(changes) != 1 || changes[0]["who"] != "ci" {
		t.Errorf("audit = %v, want one start by ci", changes)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("keys.json holds %s (%v), want it as it was", got, err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	const value = `"value":"SECRETSECRETSECRET"`
	for text, want := range map[string]string{
		`{"systemKeys":[]}`:                              "holds no key",
		`{"systemKeys":[{` + value + `}]}`:               "no name",
		`{"systemKeys":[{"name":"a","value":"SECRET"}]}`: "shorter than 16",
		`SECRET`: "is not JSON of the form",
		`{"systemKeys":[{"name":"a",` + value + `}]} SECRET`:                                     "is not JSON of the form",
		`{"systemKeys":[{"name":"a",` + value + `},{"name":"a",` + value + `}]}`:                 "two keys a",
		`{"systemKeys":[{"name":"a",` + value + `},{"name":"b",` + value + `}]}`:                 "key b has the value of another one",
		`{"systemKeys":[{"name":"a","rol":"read",` + value + `}]}`:                               `unknown field "rol"; a key has name, value and role`,
		`{"systemKeys":[{"name":"a",` + value + `}],"keys":[]}`:                                  `unknown field "keys"`,
		`{"systemKeys":[{"name":"a","SECRETSECRETSECRET":"value"}]}`:                             "is not JSON of the form",
		`{"systemKeys":[{"name":"a","role":"admin",` + value + `}]}`:                             `role of key a: "admin" is not metadata, read or operate`,
		`{"systemKeys":[{"name":"a","role":"SECRETSECRETSECRET","value":"SECRETSECRETSECRE2"}]}`: "the role of key a is not",
		`{"systemKeys":[{"name":"command line",` + value + `}]}`:                                 `called "command line"`,
		`{"systemKeys":[{"name":"anonymous",` + value + `}]}`:                                    `called "anonymous"`,
		`{"systemKeys":[{"name":"a\nb",` + value + `}]}`:                                         "not printable",
	} {
		err := runWithKeys(t, text, 0o600)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keys.json") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("Run with keys %s error = %v, want it to name the file, say %q and no secret", text, err, want)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := runWithKeys(t, `{"systemKeys":[{"name":"a","value":"0123456789abcdef"}]}`, 0o644); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("Run with keys that others can read error = %v, want it to say chmod 600", err)
	}
}

// writeKeys makes these the keys of the app in dir.
func writeKeys(t *testing.T, dir, keys string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, ".perdure", "keys.json"), []byte(`{"systemKeys":[`+keys+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyFileThatIsALinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, host.Options{}).stop(t)
	path := filepath.Join(dir, ".perdure", "keys.json")
	if err := os.Rename(path, path+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".elsewhere", path); err != nil {
		t.Skip(err)
	}
	err := host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}})
	if err == nil || !strings.Contains(err.Error(), "keys.json is a symbolic link") {
		t.Errorf("Run with keys.json a link error = %v, want a refusal", err)
	}
}

// runWithKeys runs a host on a data folder with that key file, which it refuses.
func runWithKeys(t *testing.T, text string, mode os.FileMode) error {
	t.Helper()
	dir := t.TempDir()
	start(t, dir, host.Options{}).stop(t)
	path := filepath.Join(dir, ".perdure", "keys.json")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}})
}
