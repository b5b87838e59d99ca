package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// The tests of this package are the rows of docs/contracts/http-api.md 10, on the real
// engine, in virtual time and without a network.

const base = httpapi.BasePath

// site is a hub with the functions that the rows name, behind the API.
type site struct {
	*testing.T
	engine  *engine.Engine
	handler http.Handler
}

// withSite runs test on a fresh hub with its functions.
func withSite(t *testing.T, test func(s *site)) {
	t.Helper()
	runSite(t, functions(), httpapi.Options{}, test)
}

// withIdleSite runs test on a hub that nothing runs on: instances stay Pending.
func withIdleSite(t *testing.T, o httpapi.Options, test func(s *site)) {
	t.Helper()
	runSite(t, nil, o, test)
}

func runSite(t *testing.T, app *perdure.App, o httpapi.Options, test func(s *site)) {
	t.Helper()
	runSiteOn(t, app, engine.Options{}, o, test)
}

func runSiteOn(t *testing.T, app *perdure.App, hub engine.Options, o httpapi.Options, test func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var exec engine.Executor
		if app != nil {
			w, err := worker.New(app, worker.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			exec = w
		}
		e := engine.New(memory.New(4), exec, hub)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }() // the deferred function waits for it
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("engine ended with %v", err)
			}
		}()
		synctest.Wait() // the engine has the hub
		o.Hub, o.TaskHub = e, "TestHub"
		test(&site{T: t, engine: e, handler: httpapi.New(o)})
	})
}

func functions() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", echo)
	perdure.AddOrchestrator(app, "Wait", wait)
	perdure.AddOrchestrator(app, "Collect", collect)
	perdure.AddOrchestrator(app, "Fail", fail)
	perdure.AddOrchestrator(app, "Slow", slow)
	perdure.AddOrchestrator(app, "Chain", chain)
	perdure.AddOrchestrator(app, "Parent", parent)
	perdure.AddOrchestrator(app, "Version", version)
	perdure.AddOrchestrator(app, "Loop", loop)
	perdure.AddOrchestrator(app, "Custom", custom)
	perdure.AddOrchestrator(app, "Breaks", breaks)
	perdure.AddOrchestrator(app, "Busy", busy)
	perdure.AddActivity(app, "Nap", nap)
	perdure.AddActivity(app, "Say", say)
	perdure.AddActivity(app, "Crash", crash)
	perdure.AddOrchestrator(app, "Flaky", flaky)
	perdure.AddActivity(app, "SayOnce", sayOnce)
	perdure.AddActivity(app, "FailOnce", failOnce)
	return app
}

// said and failed count the runs of the activities of flaky in one test.
var said, failed atomic.Int32

func sayOnce(context.Context, any) (int32, error) { return said.Add(1), nil }

// failOnce fails every other time, the first one included.
func failOnce(context.Context, any) (int32, error) {
	n := failed.Add(1)
	if n%2 == 1 {
		return 0, errors.New("not yet")
	}
	return n, nil
}

// flaky fails the first time, after something that succeeds.
func flaky(ctx *perdure.OrchestrationContext, _ any) (string, error) {
	said, err := perdure.CallActivity(ctx, sayOnce, nil).Await()
	if err != nil {
		return "", err
	}
	failed, err := perdure.CallActivity(ctx, failOnce, nil).Await()
	return fmt.Sprintf("say %d, fail %d", said, failed), err
}

func echo(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

func wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

// collect waits for the event "begin", then for two called "go".
func collect(ctx *perdure.OrchestrationContext, _ any) ([]int, error) {
	if _, err := perdure.WaitForExternalEvent[any](ctx, "begin").Await(); err != nil {
		return nil, err
	}
	first, err := perdure.WaitForExternalEvent[int](ctx, "go").Await()
	if err != nil {
		return nil, err
	}
	second, err := perdure.WaitForExternalEvent[int](ctx, "go").Await()
	return []int{first, second}, err
}

func fail(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("it broke") }

func slow(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	_, err := ctx.CreateTimer(time.Hour).Await()
	return nil, err
}

func chain(ctx *perdure.OrchestrationContext, _ any) (string, error) {
	var all string
	for _, city := range []string{"a", "b", "c"} {
		said, err := perdure.CallActivity(ctx, say, city).Await()
		if err != nil {
			return "", err
		}
		all += said
	}
	return all, nil
}

func say(_ context.Context, city string) (string, error) { return "<" + city + ">", nil }

func parent(ctx *perdure.OrchestrationContext, _ any) (json.RawMessage, error) {
	return perdure.CallSubOrchestrator(ctx, echo, json.RawMessage(`7`)).Await()
}

func busy(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.CallActivity(ctx, nap, "x").Await()
}

// nap takes an hour of virtual time.
func nap(ctx context.Context, _ string) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	<-ctx.Done()
	return nil, nil
}

func version(ctx *perdure.OrchestrationContext, _ any) (string, error) { return ctx.Version(), nil }

func loop(ctx *perdure.OrchestrationContext, n int) (int, error) {
	if n < 2 {
		return 0, ctx.ContinueAsNew(n + 1)
	}
	return n, nil
}

func custom(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return nil, ctx.SetCustomStatus(map[string]int{"done": 3})
}

func breaks(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.CallActivity(ctx, crash, "x").Await()
}

func crash(context.Context, string) (any, error) { return nil, errors.New("no paper") }

// do sends a request. Headers come as name and value in turn.
func (s *site) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:7071"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if text := w.Body.Bytes(); len(text) > 0 && len(text) < 1<<20 { // row 149; large ones take too long
		if !json.Valid(text) || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			s.Errorf("%s %s answers %s %q, want JSON", method, path, w.Header().Get("Content-Type"), text)
		}
	}
	return w
}

// want sends a request and checks the code.
func (s *site) want(code int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	w := s.do(method, path, body, headers...)
	if w.Code != code {
		s.Fatalf("%s %s = %d %s, want %d", method, path, w.Code, w.Body, code)
	}
	return w
}

// wantEmpty is want for an answer without a body.
func (s *site) wantEmpty(code int, method, path, body string, headers ...string) {
	s.Helper()
	if w := s.want(code, method, path, body, headers...); w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
		s.Errorf("%s %s answers %s %q, want no body", method, path, w.Header().Get("Content-Type"), w.Body)
	}
}

// wantError is want for an error body.
func (s *site) wantError(code int, method, path, body string, headers ...string) {
	s.Helper()
	w := s.want(code, method, path, body, headers...)
	var e struct {
		Message, ExceptionMessage, ExceptionType string
		StackTrace                               *string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Message == "" || e.ExceptionMessage == "" || e.StackTrace != nil {
		s.Errorf("%s %s answers %s, want Message and ExceptionMessage", method, path, w.Body)
	}
}

// start starts an instance and returns its links.
func (s *site) start(path, input string) map[string]string {
	s.Helper()
	w := s.want(http.StatusAccepted, http.MethodPost, base+"/orchestrators/"+path, input)
	var links map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil {
		s.Fatalf("start %s answers %s: %v", path, w.Body, err)
	}
	return links
}

// finish starts an instance and waits for its end.
func (s *site) finish(path, input string) (id string) {
	s.Helper()
	id = s.start(path, input)["id"]
	if _, err := s.engine.Wait(s.Context(), history.InstanceID(id)); err != nil {
		s.Fatalf("wait for %s: %v", id, err)
	}
	return id
}

// status returns an instance's status object.
func (s *site) status(id, query string) map[string]json.RawMessage {
	s.Helper()
	w := s.do(http.MethodGet, base+"/instances/"+id+"?"+query, "")
	var out map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		s.Fatalf("status of %s = %d %q: %v", id, w.Code, w.Body, err)
	}
	return out
}

// wantField checks one member of a status object.
func (s *site) wantField(id, key, want string) {
	s.Helper()
	if got := string(s.status(id, "")[key]); got != want {
		s.Errorf("%s of %s = %s, want %s", key, id, got, want)
	}
}

// settle returns when the engine has nothing left to do but wait.
func (s *site) settle() { synctest.Wait() }

func bodyOf(w *httptest.ResponseRecorder) string {
	text, _ := io.ReadAll(w.Body)
	return string(text)
}
