package host_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/httpapi"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// changes returns the audit lines, without their times.
func (j *journal) changes(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(j.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == "management" {
			for _, key := range []string{"msg", "time", "level"} {
				delete(entry, key)
			}
			out = append(out, entry)
		}
	}
	return out
}

func TestEveryChangeIsLoggedOnce(t *testing.T) {
	var log journal
	r := start(t, t.TempDir(), host.Options{Logger: log.logger()})
	c := r.Client
	for _, do := range []func() error{
		func() error {
			_, err := c.Start(t.Context(), "Wait", "PAYLOAD", client.StartOptions{ID: "x"})
			return err
		},
		func() error { _, err := c.Status(t.Context(), "x", client.StatusOptions{}); return err },
		func() error { return c.Suspend(t.Context(), "x", "to think") },
		func() error { return c.Resume(t.Context(), "x", "") },
		func() error { return c.Terminate(t.Context(), "x", client.TerminateOptions{Reason: "enough"}) },
		func() error { _, err := c.Wait(t.Context(), "x"); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Raise(t.Context(), "nobody", "go", "PAYLOAD"); err == nil {
		t.Fatal("Raise to nobody succeeded")
	}
	r.stop(t)
	entry := func(what, instance string, more ...any) map[string]any {
		e := map[string]any{"who": "app", "what": what, "hub": "DurableFunctionsHub", "instance": instance, "result": "ok"}
		for i := 0; i < len(more); i += 2 {
			e[more[i].(string)] = more[i+1]
		}
		return e
	}
	want := []map[string]any{
		entry("start", "x", "function", "Wait"),
		entry("suspend", "x", "reason", "to think"),
		entry("resume", "x"),
		entry("terminate", "x", "reason", "enough", "recursive", false),
		entry("raise-event", "nobody", "event", "go", "result", `instance not found: "nobody"`),
	}
	if diff := cmp.Diff(want, log.changes(t)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if strings.Contains(log.String(), "PAYLOAD") {
		t.Errorf("the log shows a payload:\n%s", &log)
	}
}

// told returns the lines of the log that hold all the parts.
func (j *journal) told(parts ...string) (n int) {
	for line := range strings.Lines(j.String()) {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(line, part)
		}
		if has {
			n++
		}
	}
	return n
}

func TestWhatTheAppDoesAllDayIsLoggedAtDebug(t *testing.T) {
	var log journal
	r := start(t, t.TempDir(), host.Options{Logger: log.logger()})
	c := r.Client
	for range 3 {
		if _, err := c.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x", Reuse: client.ReturnExisting}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Raise(t.Context(), "x", "other", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Terminate(t.Context(), "x", client.TerminateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
	for _, want := range []struct {
		level, what string
	}{{"DEBUG", "start"}, {"DEBUG", "raise-event"}, {"INFO", "terminate"}} {
		if n := log.told(`"level":"`+want.level+`"`, `"msg":"management"`, `"who":"app"`, `"what":"`+want.what+`"`); n != 1 {
			t.Errorf("%d lines at %s tell of %s, want one:\n%s", n, want.level, want.what, &log)
		}
		if n := log.told(`"msg":"management"`, `"what":"`+want.what+`"`); n != 1 {
			t.Errorf("%d lines tell of %s, want one:\n%s", n, want.what, &log)
		}
	}
}

func TestTheLogTellsWhereAndWhen(t *testing.T) {
	var log journal
	r := start(t, t.TempDir(), host.Options{Logger: log.logger()})
	url := r.URL
	r.stop(t)
	if n := log.told(`"level":"INFO"`, `"msg":"listening"`, `"at":"`+url+`"`, `"hub":"DurableFunctionsHub"`); n != 1 {
		t.Errorf("%d lines tell that it listens at %s, want one:\n%s", n, url, &log)
	}
	if n := log.told(`"level":"INFO"`, `"msg":"stopping"`, `"activities":0`); n != 1 {
		t.Errorf("%d lines tell that it stops, want one:\n%s", n, &log)
	}
}

// audited returns the lines of the audit of the app in dir, each as its subject and its other
// members in order, without first lines.
func audited(t *testing.T, dir string) (lines []string) {
	t.Helper()
	for line, err := range audit.Lines(filepath.Join(dir, ".perdure", "audit")) {
		if err != nil {
			t.Fatal(err)
		}
		if line.What == "file" {
			continue
		}
		for _, known := range []string{"n", "time", "what", "hash"} {
			delete(line.Members, known)
		}
		text := line.What
		for _, name := range slices.Sorted(maps.Keys(line.Members)) {
			text += fmt.Sprintf(" %s=%s", name, line.Members[name])
		}
		lines = append(lines, text)
	}
	return lines
}

// wantAudited checks the lines of the audit, and that it is whole.
func wantAudited(t *testing.T, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, audited(t, dir)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if r, err := audit.Verify(filepath.Join(dir, ".perdure", "audit"), ""); err != nil || len(r.Faults)+len(r.Notes) > 0 {
		t.Errorf("Verify() = %+v, %v, want it whole", r, err)
	}
}

// me is who the audit says for the command line of this process.
func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("user %s (%s)", u.Uid, u.Username)
}

func TestChangesAreAuditedBeforeAndAfter(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, host.Options{})
	api := r.URL + httpapi.BasePath
	for _, call := range []struct {
		method, path string
		code         int
	}{
		{http.MethodPost, "/orchestrators/Wait/x", 202},             // not audited: no key is needed
		{http.MethodPost, "/instances/x/raiseEvent/other", 202},     // nor this
		{http.MethodPost, "/instances/x/suspend?reason=think", 202}, // 2, 3
		{http.MethodPost, "/instances/x/suspend", 409},
		{http.MethodPost, "/instances/x/resume", 202},
		{http.MethodGet, "/instances/x/export", 200}, // 8, 9
		{http.MethodPost, "/instances/x/terminate?reason=enough", 202},
		{http.MethodGet, "/instances/x?wait=100", 200}, // not audited: it only looks
		{http.MethodPost, "/instances/x/rewind", 412},
		{http.MethodPost, "/instances/x/restart?restartWithNewInstanceId=false", 202},
		{http.MethodDelete, "/instances/x?force=true", 200},                      // 16, 17
		{http.MethodDelete, "/instances?createdTimeFrom=2020-01-01&dryRun", 200}, // not audited: it only counts
		{http.MethodDelete, "/instances?createdTimeFrom=2020-01-01", 404},
	} {
		if code, body := request(t, call.method, api+call.path); code != call.code {
			t.Errorf("%s %s = %d %s, want %d", call.method, call.path, code, body, call.code)
		}
	}
	c := r.Client
	if _, err := c.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "y"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Raise(t.Context(), "y", "other", nil); err != nil {
		t.Fatal(err)
	}
	archive, err := c.Export(t.Context(), "y")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Import(t.Context(), archive, client.ImportOptions{ID: "z"}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
	const by, hub = ` by="anonymous"`, ` hub="DurableFunctionsHub"`
	wantAudited(t, dir,
		`suspend`+by+hub+` instance="x" reason="think"`, `suspend instance="x" of=2 result="ok"`,
		`suspend`+by+hub+` instance="x"`, `suspend instance="x" of=4 result="not possible in this state: \"x\" is suspended already"`,
		`resume`+by+hub+` instance="x"`, `resume instance="x" of=6 result="ok"`,
		`export`+by+hub+` instance="x"`, `export instance="x" of=8 result="ok"`,
		`terminate`+by+hub+` instance="x" reason="enough" recursive=false`, `terminate instance="x" of=10 result="ok"`,
		`rewind all=false`+by+hub+` instance="x"`, `rewind instance="x" of=12 result="not possible in this state: \"x\" is Terminated; only a Failed instance can be rewound"`,
		`restart`+by+hub+` instance="x"`, `restart as="x" instance="x" of=14 result="ok"`,
		`purge`+by+` force=true`+hub+` instance="x" recursive=false`, `purge deleted=1 instance="x" of=16 result="ok"`,
		`purge`+by+` createdFrom="2020-01-01T00:00:00Z" dryRun=false`+hub, `purge complete=true deleted=0 of=18 result="ok"`,
		`export by="app"`+hub+` instance="y"`, `export instance="y" of=20 result="ok"`,
		`import by="app"`+hub+` instance="z"`, `import instance="z" of=22 result="ok"`,
		`delete-hub by="app" force=true`+hub, `delete-hub of=24 result="ok"`,
	)
}

func TestWhatIsBroughtSaysWho(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true,"links":{"scope":"instance"}}`)
	if err := os.MkdirAll(filepath.Join(dir, ".perdure"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, host.Options{})
	key := theKey(t, dir)
	code, body := request(t, http.MethodPost, r.URL+httpapi.BasePath+"/orchestrators/Wait/x", "x-functions-key", key)
	var links struct{ TerminatePostURI string }
	if err := json.Unmarshal([]byte(body), &links); err != nil || code != 202 {
		t.Fatalf("start = %d %s (%v)", code, body, err)
	}
	if code, body := request(t, http.MethodPost, links.TerminatePostURI); code != 202 {
		t.Errorf("terminate by a link = %d %s", code, body)
	}
	if code, body := request(t, http.MethodPost, r.URL+httpapi.BasePath+"/instances/x/terminate"); code != 401 {
		t.Errorf("terminate with nothing = %d %s", code, body)
	}
	_, noSocket := os.Stat(filepath.Join(dir, ".perdure", "socket"))
	c, release, err := connect(t, dir, "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "y"}); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
	const hub = ` hub="DurableFunctionsHub"`
	commandLine, user := `"socket"`, ` who="`+me(t)+`"`
	if noSocket != nil {
		commandLine, user = `"command line"`, ""
	}
	wantAudited(t, dir,
		`start by="key" function="Wait"`+hub+` instance="x" who="durabletask_extension"`, `start instance="x" of=2 result="ok"`,
		`terminate by="link"`+hub+` instance="x" recursive=false who="x"`, `terminate instance="x" of=4 result="ok"`,
		`start by=`+commandLine+` function="Wait"`+hub+` instance="y"`+user, `start instance="y" of=6 result="ok"`,
	)
}

// spoil puts a file where the folder of the audit is, which not even root can write to.
func spoil(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, ".perdure", "audit")
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeAuditedIsRefused(t *testing.T) {
	for _, required := range []bool{true, false} {
		t.Run(fmt.Sprint("required ", required), func(t *testing.T) {
			dir := withHostJSON(t, fmt.Sprintf(`"management":{"audit":{"required":%v}}`, required))
			var log journal
			r := start(t, dir, host.Options{Logger: log.logger()})
			for _, id := range []string{"x", "y"} {
				if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: client.InstanceID(id)}); err != nil {
					t.Fatal(err)
				}
			}
			spoil(t, dir)
			if err := r.Client.Raise(t.Context(), "y", "other", nil); err != nil {
				t.Errorf("an event of the app itself: %v", err)
			}
			code, body := request(t, http.MethodDelete, r.URL+httpapi.BasePath+"/instances/x?force=true")
			_, err := r.Client.Purge(t.Context(), "y", client.PurgeOptions{Force: true})
			for _, id := range []string{"x", "y"} {
				if _, err := r.Client.Status(t.Context(), client.InstanceID(id), client.StatusOptions{}); errors.Is(err, client.ErrNotFound) == required {
					t.Errorf("Status(%s) after the purge error: %v", id, err)
				}
			}
			if n := log.told(`"level":"ERROR"`, `"msg":"audit cannot be written"`, filepath.Join(dir, ".perdure", "audit")); n != 1 {
				t.Errorf("%d lines of the log tell of the audit, want one:\n%s", n, &log)
			}
			if !required {
				if code != 200 || err != nil {
					t.Errorf("purge = %d %s, and %v, want it done", code, body, err)
				}
				r.stop(t)
				return
			}
			if code != 503 || !strings.Contains(body, "it cannot be noted in the audit, so nothing was done") || strings.Contains(body, dir) {
				t.Errorf("purge = %d %s, want 503, the reason and no path", code, body)
			}
			if !errors.Is(err, client.ErrUnavailable) {
				t.Errorf("Purge error = %v, want ErrUnavailable", err)
			}
			r.stop(t)
			// Nor does a command without a host.
			c, release, err := connect(t, dir, "", false)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			if err := c.Suspend(t.Context(), "x", ""); !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "management.audit.required") {
				t.Errorf("Suspend without a host error = %v, want ErrUnavailable and what to do", err)
			}
			if _, err := c.Status(t.Context(), "x", client.StatusOptions{}); err != nil {
				t.Errorf("Status error = %v: a look needs no audit", err)
			}
		})
	}
}

func TestAHostWhoseChangesCannotBeAuditedDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, host.Options{}).stop(t)
	spoil(t, dir)
	err := host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}})
	if err == nil || !strings.Contains(err.Error(), "audit") || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("Run error = %v, want that the audit is no folder", err)
	}
}

func TestSettingsAndKeysThatChangedBetweenStartsAreAudited(t *testing.T) {
	dir := withHostJSON(t, `"maxDeaths":5`)
	for range 2 {
		start(t, dir, host.Options{}).stop(t)
	}
	wantAudited(t, dir) // nothing
	set := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("host.json", `{"version":"2.0","extensions":{"durableTask":{"maxDeaths":7}}}`)
	start(t, dir, host.Options{}).stop(t)
	key := theKey(t, dir)
	set(".perdure/keys.json", `{"systemKeys":[{"name":"durabletask_extension","value":"`+key+`"},{"name":"ci","value":"FIRST-SECRET-VALUE"}]}`)
	start(t, dir, host.Options{}).stop(t)
	set(".perdure/keys.json", `{"systemKeys":[{"name":"durabletask_extension","value":"`+key+`"},{"name":"ci","value":"SECOND-SECRET-VALUE"}]}`)
	start(t, dir, host.Options{}).stop(t)
	const when = ` when="between two starts"`
	wantAudited(t, dir,
		`settings by="file" changed={"maxDeaths":{"from":"5","to":"7"}}`+when,
		`keys by="file" changed={"ci":{"to":"operate 2114"}}`+when,
		`keys by="file" changed={"ci":{"from":"operate 2114","to":"operate 9cc5"}}`+when,
	)
	files, err := filepath.Glob(filepath.Join(dir, ".perdure", "audit", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files of the audit: %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), "SECRET") || strings.Contains(string(text), key) {
			t.Errorf("%s holds a key (%v):\n%s", file, err, text)
		}
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", file, info.Mode(), err)
		}
	}
}

func TestABulkPurgeIsLoggedWithAllThatWasAsked(t *testing.T) {
	var log journal
	r := start(t, t.TempDir(), host.Options{Logger: log.logger()})
	for _, query := range []string{
		"createdTimeFrom=2020-01-01&dryRun",
		"createdTimeFrom=2020-01-01&createdTimeTo=2030-01-01T00:00:00.5Z&completedTimeFrom=2021-01-01&completedBefore=2029-01-01&instanceIdPrefix=aud&name=Echo&tag.a=b&runtimeStatus=Failed&limit=7",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, r.URL+httpapi.BasePath+"/instances?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	r.stop(t)
	want := []map[string]any{
		{"dryRun": true, "createdFrom": "2020-01-01T00:00:00Z", "deleted": 0.0, "complete": true},
		{
			"dryRun": false, "createdFrom": "2020-01-01T00:00:00Z", "createdTo": "2030-01-01T00:00:00.5Z", "completedFrom": "2021-01-01T00:00:00Z",
			"completedTo": "2028-12-31T23:59:59.9999999Z", "idPrefix": "aud", "function": "Echo", "tags": map[string]any{"a": "b"}, "statuses": []any{"Failed"},
			"limit": 7.0, "deleted": 0.0, "complete": true,
		},
	}
	for _, entry := range want {
		entry["what"], entry["hub"], entry["result"] = "purge", "DurableFunctionsHub", "ok"
	}
	got := log.changes(t)
	for _, entry := range got {
		delete(entry, "who")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
