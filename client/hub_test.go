package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// row is a numbered assertion of docs/contracts/client-api.md 12.
type row struct {
	number int
	says   string
	idle   bool // nothing runs on the hub
	test   func(h *testHub)
}

// run tests each row over every transport, on a hub of its own, in virtual time
// and without a network.
func run(t *testing.T, rows []row) {
	for _, transport := range []string{"local", "http"} {
		t.Run(transport, func(t *testing.T) {
			for _, r := range rows {
				t.Run(fmt.Sprintf("%02d %s", r.number, r.says), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHub(t, transport, r.idle)
						defer func() { h.stop() }() // of the last process
						r.test(h)
					})
				})
			}
		})
	}
}

// testHub is a hub and a client of it.
type testHub struct {
	*testing.T
	*client.Client
	transport string
	idle      bool
	options   engine.Options
	store     store.Store
	engine    *engine.Engine
	web       http.RoundTripper // to the hub's HTTP API, whatever the transport
	stop      func()
	marks     sync.Map // name -> *atomic.Int64, see mark
}

// Where the HTTP API of a hub is.
const (
	origin  = "http://127.0.0.1:7071"
	apiBase = origin + "/runtime/webhooks/durabletask"
	apiKey  = "KEY"
)

func newHub(t *testing.T, transport string, idle bool) *testHub {
	h := &testHub{T: t, transport: transport, idle: idle, store: memory.New(4)}
	h.start()
	return h
}

// start begins a process on the hub's store.
func (h *testHub) start() {
	var exec engine.Executor
	closeWorker := func() {}
	if !h.idle {
		w, err := worker.New(h.functions(), worker.Options{})
		if err != nil {
			h.Fatal(err)
		}
		exec, closeWorker = w, func() { w.Close() }
	}
	e := engine.New(h.store, exec, h.options)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }() // stop waits for it
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Errorf("engine ended with %v", err)
		}
		closeWorker()
	})
	synctest.Wait() // the engine has the hub
	h.engine = e
	h.serve(e)
}

// servedHub is a hub for clients in this process and for the API.
type servedHub interface {
	hub.Hub
	httpapi.Hub
}

// serve makes the hub's client and HTTP API those of served.
func (h *testHub) serve(served servedHub) {
	h.web = direct{httpapi.New(httpapi.Options{Hub: served, TaskHub: "TestHub", Keys: httpapi.FixedKeys(httpapi.Key{Value: apiKey})})}
	h.Client = h.connect(served, h.web)
}

// connect returns a client by the hub's transport.
func (h *testHub) connect(served hub.Hub, web http.RoundTripper) *client.Client {
	if h.transport == "local" {
		return client.Local(served).WithLinks(client.LinkOptions{Base: apiBase, TaskHub: "TestHub", Key: apiKey})
	}
	return client.Remote(origin, client.RemoteOptions{Key: apiKey, TaskHub: "TestHub", HTTPClient: &http.Client{Transport: web}})
}

// direct is a network that is not there: requests reach the handler as they are.
type direct struct {
	handler http.Handler
}

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := httptest.NewRequest(r.Method, r.URL.String(), r.Body).WithContext(r.Context())
	in.Header = r.Header
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// fetch sends a request to the hub's HTTP API.
func (h *testHub) fetch(method, url string) (code int, body string) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, url, nil)
	if err != nil {
		h.Fatalf("%s %s: %v", method, url, err)
	}
	w, err := h.web.RoundTrip(r)
	if err != nil {
		h.Fatalf("%s %s: %v", method, url, err)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil {
		h.Fatalf("%s %s: %v", method, url, err)
	}
	return w.StatusCode, string(text)
}

// What the hub's functions call.
const (
	nap   = perdure.ActivityRef[time.Duration, string]("Nap")
	step  = perdure.ActivityRef[string, string]("Step")
	child = perdure.OrchestratorRef[any, any]("Wait")
)

// functions are what runs on a hub that is not idle.
func (h *testHub) functions() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", func(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
		h.mark("Echo")
		return in, nil
	})
	perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return perdure.WaitForExternalEvent[any](ctx, "go").Await()
	})
	perdure.AddOrchestrator(app, "Fail", func(_ *perdure.OrchestrationContext, in any) (any, error) {
		if text, ok := in.(string); ok {
			return nil, errors.New(text)
		}
		return nil, errors.New("it broke")
	})
	perdure.AddOrchestrator(app, "Slow", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		_, err := ctx.CreateTimer(time.Hour).Await()
		return nil, err
	})
	perdure.AddActivity(app, "Nap", func(_ context.Context, d time.Duration) (string, error) {
		h.mark("fell asleep")
		time.Sleep(d) // of virtual time
		h.mark("woke up")
		return "rested", nil
	})
	perdure.AddOrchestrator(app, "Rest", func(ctx *perdure.OrchestrationContext, _ any) (string, error) {
		return nap.Call(ctx, time.Minute).Await()
	})
	perdure.AddOrchestrator(app, "Collect", func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
		var got []int
		for range n {
			next, err := perdure.WaitForExternalEvent[int](ctx, "go").Await()
			if err != nil {
				return nil, err
			}
			got = append(got, next)
		}
		return got, nil
	})
	perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return child.Call(ctx, nil, perdure.WithInstanceID(ctx.InstanceID()+":child")).Await()
	})
	// Steps fails in its second activity until it is repaired.
	perdure.AddActivity(app, "Step", func(_ context.Context, name string) (string, error) {
		h.mark(name)
		if name == "second" && h.marked("repaired") == 0 {
			return "", errors.New("not repaired")
		}
		return name + " done", nil
	})
	perdure.AddOrchestrator(app, "Steps", func(ctx *perdure.OrchestrationContext, pause time.Duration) ([]string, error) {
		first, err := step.Call(ctx, "first").Await()
		if err != nil {
			return nil, err
		}
		if pause > 0 {
			if _, err := ctx.CreateTimer(pause).Await(); err != nil {
				return nil, err
			}
		}
		second, err := step.Call(ctx, "second").Await()
		return []string{first, second}, err
	})
	perdure.AddOrchestrator(app, "Status", func(ctx *perdure.OrchestrationContext, in any) (any, error) {
		if err := ctx.SetCustomStatus(map[string]string{"at": "work"}); err != nil {
			return nil, err
		}
		return perdure.WaitForExternalEvent[any](ctx, "go").Await()
	})
	return app
}

// mark counts what functions do.
func (h *testHub) mark(name string) {
	n, _ := h.marks.LoadOrStore(name, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// marked returns how often mark was called for name.
func (h *testHub) marked(name string) int64 {
	if n, ok := h.marks.Load(name); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// begin starts an instance that must start.
func (h *testHub) begin(name, id string, input any) string {
	h.Helper()
	return h.beginWith(name, input, client.StartOptions{ID: client.InstanceID(id)})
}

func (h *testHub) beginWith(name string, input any, o client.StartOptions) string {
	h.Helper()
	got, err := h.Start(h.Context(), name, input, o)
	if err != nil {
		h.Fatalf("Start(%s, %s) error: %v", name, o.ID, err)
	}
	return string(got)
}

// status returns the status of an instance that must exist.
func (h *testHub) status(id string) *client.Status {
	h.Helper()
	st, err := h.Status(h.Context(), client.InstanceID(id), client.StatusOptions{})
	if err != nil {
		h.Fatalf("Status(%s) error: %v", id, err)
	}
	return st
}

// ended waits for the end of an instance, which must be want.
func (h *testHub) ended(id string, want client.RuntimeStatus) *client.Status {
	h.Helper()
	st, err := h.Wait(h.Context(), client.InstanceID(id))
	if err != nil {
		h.Fatalf("Wait(%s) error: %v", id, err)
	}
	if st.RuntimeStatus != want {
		h.Fatalf("%s has ended as %s with %s, want %s", id, st.RuntimeStatus, st.Output, want)
	}
	return st
}

// is checks that an instance has a status once nothing moves any more.
func (h *testHub) is(id string, want client.RuntimeStatus) *client.Status {
	h.Helper()
	synctest.Wait()
	st := h.status(id)
	if st.RuntimeStatus != want {
		h.Errorf("%s is %s, want %s", id, st.RuntimeStatus, want)
	}
	return st
}

// events reads a history that must be there.
func (h *testHub) events(id string, o client.HistoryOptions) []client.Event {
	h.Helper()
	var all []client.Event
	for ev, err := range h.History(h.Context(), client.InstanceID(id), o) {
		if err != nil {
			h.Fatalf("History(%s, %+v) error: %v", id, o, err)
		}
		all = append(all, ev)
	}
	return all
}

// ids reads a list to its end.
func (h *testHub) ids(q client.Query) []string {
	h.Helper()
	var all []string
	for st, err := range h.All(h.Context(), q) {
		if err != nil {
			h.Fatalf("All(%+v) error: %v", q, err)
		}
		all = append(all, string(st.ID))
	}
	return all
}

// row returns the stored row of an instance, which must be there.
func (h *testHub) row(id string) history.Instance {
	h.Helper()
	row, ok, err := h.store.FindInstance(h.Context(), history.InstanceID(id))
	if !ok || err != nil {
		h.Fatalf("FindInstance(%s) = %v, %v", id, ok, err)
	}
	return row
}

// kinds are the sentinels of which every error matches one.
var kinds = []error{
	client.ErrInvalidArgument, client.ErrAlreadyExists, client.ErrNotFound, client.ErrInvalidState, client.ErrUnsupported,
	client.ErrHubNotFound, client.ErrUnauthenticated, client.ErrUnavailable, client.ErrResourceExhausted,
}

// refused checks that err is an *Error that matches want and no other kind.
func (h *testHub) refused(call string, err, want error) {
	h.Helper()
	var e *client.Error
	if !errors.Is(err, want) || !errors.As(err, &e) {
		h.Errorf("%s error = %v, want an *Error that is %v", call, err, want)
		return
	}
	matches := 0
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			matches++
		}
	}
	if matches != 1 {
		h.Errorf("%s error %v matches %d kinds, want 1", call, err, matches)
	}
}

// done checks that a call that must succeed has.
func (h *testHub) done(call string, err error) {
	h.Helper()
	if err != nil {
		h.Fatalf("%s error: %v", call, err)
	}
}

func ignore[T any](_ T, err error) error { return err }

var badIDs = []string{"@a", "a/b", `a\b`, "a#b", "a?b", "a\x01", strings.Repeat("a", 257)}
