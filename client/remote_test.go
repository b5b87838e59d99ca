package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// reply is how a host answers; err is a host that cannot be reached.
type reply struct {
	code int
	body string
	err  error
}

// A foreign host keeps the contract and knows nothing of ours. It answers each
// request with the next reply, the last one for good, and keeps the requests.
type foreign struct {
	replies  []reply
	requests []string
}

func (f *foreign) client() *client.Client {
	return client.Remote("http://host", client.RemoteOptions{HTTPClient: &http.Client{Transport: f}})
}

func (f *foreign) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.RawQuery == "top=1" { // how the client finds out that it is a host
		return &http.Response{StatusCode: 200, Header: http.Header{"X-Ms-Continuation-Token": {""}}, Body: io.NopCloser(strings.NewReader("[]"))}, nil
	}
	f.requests = append(f.requests, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/runtime/webhooks/durabletask"))
	next := f.replies[0]
	if len(f.replies) > 1 {
		f.replies = f.replies[1:]
	}
	if next.err != nil {
		return nil, next.err
	}
	return &http.Response{StatusCode: next.code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(next.body))}, nil
}

const foreignStatus = `{"name":"F","instanceId":"x","runtimeStatus":"Completed","createdTime":"2026-01-02T03:04:05Z","lastUpdatedTime":"2026-01-02T03:04:06Z","input":null,"output":1,"customStatus":null}`

func TestWaitOutlastsAnAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := reply{err: errors.New("connection refused")}
		running := reply{code: 202, body: strings.Replace(foreignStatus, "Completed", "Running", 1)}
		end := reply{code: 200, body: foreignStatus}
		c := (&foreign{replies: []reply{running, away, away, {code: 503}, running, end}}).client()
		st, err := c.Wait(t.Context(), "x")
		if err != nil || st.RuntimeStatus != history.Completed || st.CreatedAt.Year() != 2026 || string(st.Output) != "1" {
			t.Errorf("Wait = %+v, %v; want the end", st, err)
		}
		_, err = (&foreign{replies: []reply{away}}).client().Wait(t.Context(), "x")
		if !errors.Is(err, client.ErrUnavailable) || !errors.Is(err, away.err) {
			t.Errorf("Wait of a host that is gone error = %v, want ErrUnavailable", err)
		}
	})
}

func TestForeignRefusalsAreUnderstood(t *testing.T) {
	invalidOperation := `{"Message":"Something went wrong.","ExceptionMessage":"no","ExceptionType":"System.InvalidOperationException","StackTrace":"at X"}`
	for _, tt := range []struct {
		op   string
		code int
		body string
		want error
	}{
		{"start", 400, `{"Message":"no such function"}`, client.ErrInvalidArgument},
		{"start", 401, ``, client.ErrUnauthenticated},
		{"start", 409, `{"Message":"in use"}`, client.ErrAlreadyExists},
		{"start", 500, `{"ExceptionMessage":"An Orchestration instance with the status Running already exists."}`, client.ErrAlreadyExists},
		{"start", 429, ``, client.ErrResourceExhausted},
		{"start", 503, ``, client.ErrUnavailable},
		{"suspend", 404, ``, client.ErrNotFound},
		{"suspend", 410, ``, client.ErrTerminal},
		{"suspend", 500, invalidOperation, client.ErrInvalidState},
		{"rewind", 410, ``, client.ErrInvalidState},
		{"rewind", 412, `"it has not failed"`, client.ErrInvalidState},
		{"rewind", 501, `"the backend cannot"`, client.ErrUnsupported},
		{"restart", 400, `{"Message":"bad"}`, client.ErrInvalidArgument},
		{"restart", 409, `{"Message":"it is running"}`, client.ErrAlreadyExists},
		{"purge", 412, `"it is running"`, client.ErrInvalidState},
		{"list", 502, `<html>`, client.ErrUnavailable},
		{"list", 200, `<html>`, client.ErrUnavailable},
	} {
		// The look at the instance's status that follows finds it.
		c := (&foreign{replies: []reply{{code: tt.code, body: tt.body}, {code: 200, body: foreignStatus}}}).client()
		err := map[string]func() error{
			"start":   func() error { return ignore(c.Start(t.Context(), "F", nil, client.StartOptions{ID: "x"})) },
			"suspend": func() error { return c.Suspend(t.Context(), "x", "") },
			"rewind":  func() error { return c.Rewind(t.Context(), "x", client.RewindOptions{}) },
			"restart": func() error { return ignore(c.Restart(t.Context(), "x", client.RestartOptions{})) },
			"purge":   func() error { return ignore(c.Purge(t.Context(), "x", client.PurgeOptions{})) },
			"list":    func() error { return ignore(c.List(t.Context(), client.Query{})) },
		}[tt.op]()
		if !errors.Is(err, tt.want) {
			t.Errorf("%s at a host that answers %d %s: error = %v, want %v", tt.op, tt.code, tt.body, err, tt.want)
		}
	}
	err := (&foreign{replies: []reply{{code: 412, body: `"it is running"`}}}).client().Rewind(t.Context(), "x", client.RewindOptions{})
	if err == nil || !strings.Contains(err.Error(), "it is running") {
		t.Errorf("Rewind error = %v, want the host's words", err)
	}
}

func TestForeignRestartOfAMissingInstance(t *testing.T) {
	c := (&foreign{replies: []reply{{code: 400, body: `{"Message":"bad"}`}, {code: 404}}}).client()
	if _, err := c.Restart(t.Context(), "x", client.RestartOptions{}); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Restart error = %v, want ErrNotFound", err)
	}
}

// What a foreign host does not know it ignores, so it must not be asked.
func TestForeignHostsAreNotAskedForMoreThanTheyKnow(t *testing.T) {
	for what, f := range map[string]client.PurgeFilter{
		"IDPrefix": {IDPrefix: new("a")}, "Name": {Name: new("F")}, "Tags": {Tags: map[string]string{"a": "b"}}, "Limit": {All: true, Limit: 1}, "DryRun": {All: true, DryRun: true},
	} {
		host := &foreign{replies: []reply{{code: 404}}}
		_, err := host.client().PurgeBy(t.Context(), f)
		if !errors.Is(err, client.ErrUnsupported) || len(host.requests) != 1 || !strings.HasPrefix(host.requests[0], "GET /counts") {
			t.Errorf("PurgeBy(%s) error = %v after %q, want ErrUnsupported after a question", what, err, host.requests)
		}
	}
	for what, do := range map[string]func(*client.Client) error{
		"PlanRewind": func(c *client.Client) error { return ignore(c.PlanRewind(t.Context(), "x", client.RewindOptions{})) },
		"Rewind All": func(c *client.Client) error { return c.Rewind(t.Context(), "x", client.RewindOptions{All: true}) },
		"Start StartAt": func(c *client.Client) error {
			return ignore(c.Start(t.Context(), "F", nil, client.StartOptions{StartAt: time.Now()}))
		},
		"Start Reuse": func(c *client.Client) error {
			return ignore(c.Start(t.Context(), "F", nil, client.StartOptions{Reuse: client.RefuseIfExists}))
		},
		"Start Tags": func(c *client.Client) error {
			return ignore(c.Start(t.Context(), "F", nil, client.StartOptions{Tags: map[string]string{"a": "b"}}))
		},
		"Raise": func(c *client.Client) error {
			return c.Raise(t.Context(), "x", "go", nil, client.WithIdempotencyKey("k"))
		},
		"Terminate Recursive": func(c *client.Client) error {
			return c.Terminate(t.Context(), "x", client.TerminateOptions{Recursive: true})
		},
		"Terminate Output": func(c *client.Client) error {
			return c.Terminate(t.Context(), "x", client.TerminateOptions{Output: 1})
		},
		"List Name":   func(c *client.Client) error { return ignore(c.List(t.Context(), client.Query{Name: "F"})) },
		"List Parent": func(c *client.Client) error { return ignore(c.List(t.Context(), client.Query{Parent: "x"})) },
		"ListIDs": func(c *client.Client) error {
			return ignore(c.ListIDs(t.Context(), client.IDQuery{CompletedFrom: new(time.Now())}))
		},
		"Purge Recursive": func(c *client.Client) error {
			return ignore(c.Purge(t.Context(), "x", client.PurgeOptions{Recursive: true}))
		},
	} {
		host := &foreign{replies: []reply{{code: 404}}}
		if err := do(host.client()); !errors.Is(err, client.ErrUnsupported) || len(host.requests) != 1 || !strings.HasPrefix(host.requests[0], "GET /counts") {
			t.Errorf("%s error = %v after %q, want ErrUnsupported after a question", what, err, host.requests)
		}
	}
	host := &foreign{replies: []reply{{code: 200, body: `{"instancesDeleted":3}`}}}
	got, err := host.client().PurgeBy(t.Context(), client.PurgeFilter{All: true})
	if err != nil || got.Deleted != 3 || !got.Complete {
		t.Errorf("PurgeBy = %+v, %v; want 3", got, err)
	}
	want := "DELETE /instances?createdTimeFrom=0001-01-01T00%3A00%3A00Z&limit=20000&runtimeStatus=Completed%2CFailed%2CCanceled%2CTerminated"
	if len(host.requests) != 1 || host.requests[0] != want {
		t.Errorf("PurgeBy sends %q, want %q", host.requests, want)
	}
}

func TestAHostOfEarlierBuildsIsAskedOnceWhatItKnows(t *testing.T) {
	host := &foreign{replies: []reply{{code: 200, body: `{"runtimeStatus":{}}`}, {code: 202, body: `{"id":"x"}`}}}
	if _, err := host.client().Start(t.Context(), "F", nil, client.StartOptions{Tags: map[string]string{"a": "b"}}); err != nil || len(host.requests) != 2 {
		t.Errorf("Start error = %v after %q, want one question before it", err, host.requests)
	}
}

// A host of an earlier build counts, and lists, all instances for the children of one.
func TestAHostThatKnowsNoChildrenIsNotBelieved(t *testing.T) {
	host := &foreign{replies: []reply{{code: 200, body: `{"runtimeStatus":{"Running":7}}`}}}
	if counts, err := host.client().Count(t.Context(), client.Query{Parent: "x"}); !errors.Is(err, client.ErrUnsupported) {
		t.Errorf("Count = %v, %v; want ErrUnsupported", counts, err)
	}
	if page, err := host.client().List(t.Context(), client.Query{Parent: "x"}); !errors.Is(err, client.ErrUnsupported) && !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("List = %v, %v; want an error", page, err)
	}
}

func TestTheZeroTimeIsATimeOfAStatus(t *testing.T) {
	host := &foreign{replies: []reply{{code: 200, body: strings.ReplaceAll(foreignStatus, "2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z")}}}
	if st, err := host.client().Status(t.Context(), "x", client.StatusOptions{}); err != nil || !st.CreatedAt.IsZero() {
		t.Errorf("Status = %+v, %v; want a status of the zero time", st, err)
	}
}

func TestForeignHistory(t *testing.T) {
	body := strings.Replace(foreignStatus, `"output":1`, `"output":1,"historyEvents":[
		{"EventType":"ExecutionStarted","Correlation":null,"Timestamp":"2026-01-02T03:04:05.1234567Z","FunctionName":"F","Input":"{\"a\":1}"},
		{"EventType":"TaskFailed","Reason":"broke","Details":"at X","Timestamp":"2026-01-02T03:04:06Z","ScheduledTime":"2026-01-02T03:04:05+00:00","FunctionName":"A"},
		{"EventType":"SomethingNew","Timestamp":"2026-01-02T03:04:06Z"},
		{"EventType":"ExecutionCompleted","OrchestrationStatus":"Completed","Result":1,"Timestamp":"2026-01-02T03:04:06Z"}]`, 1)
	host := &foreign{replies: []reply{{code: 200, body: body}, {code: 200, body: body}, {code: 404}, {code: 200, body: body}}}
	c := host.client()
	st, err := c.Status(t.Context(), "x", client.StatusOptions{History: true, HistoryOutput: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `ExecutionStarted F {"a":1}; TaskFailed of A broke; Unknown; ExecutionCompleted 1`
	if got := describe(st.History); got != want {
		t.Errorf("history = %s, want %s", got, want)
	}
	if ev := st.History[0]; ev.At.Nanosecond() != 123456700 || ev.ID != history.NoID {
		t.Errorf("first event = %+v", ev)
	}
	for _, err := range c.History(t.Context(), "x", client.HistoryOptions{}) {
		if !errors.Is(err, client.ErrUnsupported) {
			t.Errorf("History error = %v, want ErrUnsupported: the host has merged ones only", err)
		}
	}
}

func TestForeignTokensArePassedOn(t *testing.T) {
	pages := []string{"", "eyJhIjoxfQ==", ""}
	web := network(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("x-ms-continuation-token"); got != pages[0] {
			t.Errorf("token sent = %q, want %q", got, pages[0])
		}
		pages = pages[1:]
		return &http.Response{StatusCode: 200, Header: http.Header{"X-Ms-Continuation-Token": pages[:1]}, Body: io.NopCloser(strings.NewReader(fmt.Sprintf("[%s]", foreignStatus)))}, nil
	})
	c := client.Remote("http://host", client.RemoteOptions{HTTPClient: &http.Client{Transport: web}})
	n := 0
	for st, err := range c.All(t.Context(), client.Query{}) {
		if err != nil || st.ID != "x" {
			t.Errorf("All yields %+v, %v", st, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("All yields %d, want the rows of two pages", n)
	}
}
