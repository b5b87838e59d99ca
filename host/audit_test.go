package host_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/httpapi"
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
			_, err := c.StartNew(t.Context(), "Wait", "PAYLOAD", client.StartOptions{ID: "x"})
			return err
		},
		func() error { _, err := c.GetStatus(t.Context(), "x", client.GetOptions{}); return err },
		func() error { return c.Suspend(t.Context(), "x", "to think") },
		func() error { return c.Resume(t.Context(), "x", "") },
		func() error { return c.Terminate(t.Context(), "x", client.TerminateOptions{Reason: "enough"}) },
		func() error { _, err := c.WaitForCompletion(t.Context(), "x"); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.RaiseEvent(t.Context(), "nobody", "go", "PAYLOAD"); err == nil {
		t.Fatal("RaiseEvent to nobody succeeded")
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
		if _, err := c.StartNew(t.Context(), "Wait", nil, client.StartOptions{ID: "x", Reuse: client.ReturnExisting}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.RaiseEvent(t.Context(), "x", "other", nil); err != nil {
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
