package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/httpapi"
	"github.com/perdure/perdure/internal/worker"
	"github.com/perdure/perdure/store/memory"
)

// The tests of this package are the rows of spec/client-api.md 12. Each runs on
// every transport, in virtual time and without a network.

// hub is a hub and a client of it.
type hub struct {
	*testing.T
	*client.Client
}

// on runs test over every transport, on a hub with functions.
func on(t *testing.T, test func(h *hub)) {
	t.Helper()
	onHub(t, functions(), test)
}

// onIdle is on with a hub that nothing runs on.
func onIdle(t *testing.T, test func(h *hub)) {
	t.Helper()
	onHub(t, nil, test)
}

func onHub(t *testing.T, app *perdure.App, test func(h *hub)) {
	t.Helper()
	for name, connect := range map[string]func(client.Hub) *client.Client{
		"local": client.Local,
		"http": func(h client.Hub) *client.Client {
			handler := httpapi.New(httpapi.Options{Hub: h, TaskHub: "TestHub", Keys: []httpapi.Key{{Value: "KEY"}}})
			return client.Remote("http://127.0.0.1:7071", client.RemoteOptions{Key: "KEY", HTTPClient: &http.Client{Transport: direct{handler}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
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
				e := engine.New(memory.New(4), exec, engine.Options{})
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
				test(&hub{T: t, Client: connect(e)})
			})
		})
	}
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

func functions() *perdure.App {
	app := perdure.New()
	app.AddOrchestrator("Echo", echo)
	app.AddOrchestrator("Wait", wait)
	app.AddOrchestrator("Fail", fail)
	app.AddOrchestrator("Slow", slow)
	return app
}

func echo(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

func wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

func fail(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("it broke") }

func slow(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	_, err := ctx.CreateTimer(time.Hour).Await()
	return nil, err
}

// start starts an instance that must start.
func (h *hub) start(name, id string, input any) string {
	h.Helper()
	got, err := h.StartNew(h.Context(), name, input, client.StartOptions{ID: id})
	if err != nil {
		h.Fatalf("StartNew(%s, %s) error: %v", name, id, err)
	}
	return got
}

// status returns the status of an instance that must exist.
func (h *hub) status(id string) *client.Status {
	h.Helper()
	st, err := h.GetStatus(h.Context(), id, client.GetOptions{})
	if err != nil {
		h.Fatalf("GetStatus(%s) error: %v", id, err)
	}
	return st
}

// wantErr checks that err is an *Error that matches want and no other kind.
func (h *hub) wantErr(call string, err, want error) {
	h.Helper()
	var e *client.Error
	if !errors.Is(err, want) || !errors.As(err, &e) {
		h.Errorf("%s error = %v, want an *Error that is %v", call, err, want)
		return
	}
	kinds := 0
	for _, top := range []error{client.ErrInvalidArgument, client.ErrAlreadyExists, client.ErrNotFound, client.ErrInvalidState,
		client.ErrHubNotFound, client.ErrUnauthenticated, client.ErrUnavailable} {
		if errors.Is(err, top) {
			kinds++
		}
	}
	if kinds != 1 {
		h.Errorf("%s error %v matches %d kinds, want 1", call, err, kinds)
	}
}

func (h *hub) done(call string, err error) {
	h.Helper()
	if err != nil {
		h.Errorf("%s error: %v", call, err)
	}
}

var badIDs = []string{"@a", "a/b", `a\b`, "a#b", "a?b", "a\x01", strings.Repeat("a", 257)}
