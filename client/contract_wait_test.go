package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
)

func TestClient_Wait(t *testing.T) {
	run(t, []row{
		{number: 57, says: "Wait returns at the end", test: func(h *testHub) {
			h.begin("Slow", "x", nil)
			st := h.ended("x", history.Completed)
			if late := time.Since(st.CompletedAt); late > 100*time.Millisecond || st.CompletedAt.Sub(st.CreatedAt) < time.Hour {
				h.Errorf("Wait returns %v after the end", late)
			}
		}},
		{number: 57, says: "WaitStarted returns at the first turn", test: func(h *testHub) {
			at := time.Now().Add(time.Minute)
			h.beginWith("Wait", nil, client.StartOptions{ID: "x", StartAt: at})
			st, err := h.WaitStarted(h.Context(), "x")
			if late := time.Since(at); err != nil || st.RuntimeStatus != history.Running || late < 0 || late > time.Second {
				h.Errorf("WaitStarted = %+v, %v, %v after the time of the start", st, err, late)
			}
			_, err = h.WaitStarted(h.Context(), "nobody")
			h.refused("WaitStarted(nobody)", err, client.ErrNotFound)
		}},
		{number: 58, says: "A missing instance is ErrNotFound", test: func(h *testHub) {
			h.refused("Wait(nobody)", ignore(h.Wait(h.Context(), "nobody")), client.ErrNotFound)
		}},
		{number: 59, says: "The context limits the wait only", test: func(h *testHub) {
			h.begin("Slow", "x", nil)
			ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			_, err := h.Wait(ctx, "x")
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
				h.Errorf("Wait error = %v after %v, want DeadlineExceeded after a minute", err, took)
			}
			h.ended("x", history.Completed)
		}},
	})
}

func TestClient_Use(t *testing.T) {
	run(t, []row{
		{number: 76, says: "Hubs are apart", test: func(h *testHub) {
			other := newHub(h.T, h.transport, false)
			defer other.stop()
			if h.transport == "http" { // one host that serves both
				h.web = direct{httpapi.New(httpapi.Options{Hub: h.engine, TaskHub: "TestHub", Find: func(_ context.Context, name string) (httpapi.Hub, error) {
					if name == "Other" {
						return other.engine, nil
					}
					return nil, fmt.Errorf("%w: %s", httpapi.ErrHubNotFound, name)
				}})}
				remote := func(hub string) *client.Client {
					return client.Remote(origin, client.RemoteOptions{TaskHub: hub, HTTPClient: &http.Client{Transport: h.web}})
				}
				h.Client, other.Client = remote("TestHub"), remote("Other")
				_, err := remote("Nowhere").Status(h.Context(), "x", client.StatusOptions{})
				h.refused("Status in a hub that is not there", err, client.ErrHubNotFound)
			}
			h.begin("Wait", "x", 1)
			h.is("x", history.Running)
			for call, err := range other.everything("x") {
				if !errors.Is(err, client.ErrNotFound) {
					h.Errorf("%s of another hub's instance error = %v, want ErrNotFound", call, err)
				}
			}
			if got := other.ids(client.Query{}); len(got) != 0 {
				h.Errorf("the other hub lists %q", got)
			}
			other.begin("Echo", "x", 2)
			other.ended("x", history.Completed)
			if got, err := other.PurgeBy(h.Context(), client.PurgeFilter{All: true}); err != nil || got.Deleted != 1 {
				h.Errorf("PurgeBy in the other hub = %+v, %v", got, err)
			}
			h.is("x", history.Running)
		}},
		{number: 77, says: "Every error has one kind", test: func(h *testHub) {
			for call, err := range h.everything("nobody") {
				h.refused(call, err, client.ErrNotFound)
			}
			h.stop()
			for call, err := range h.everything("nobody") {
				if !strings.HasPrefix(call, "read") { // what is stored can still be read
					h.refused(call, err, client.ErrUnavailable)
				}
			}
			h.start()
			if h.transport == "http" {
				h.Client = client.Remote(origin, client.RemoteOptions{Key: "wrong", HTTPClient: &http.Client{Transport: h.web}})
				for call, err := range h.everything("nobody") {
					h.refused(call, err, client.ErrUnauthenticated)
				}
			}
		}},
		{number: 78, says: "A hundred goroutines share a client", test: func(h *testHub) {
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() {
					id := fmt.Sprint("n", i)
					if _, err := h.Start(h.Context(), "Echo", i, client.StartOptions{ID: client.InstanceID(id)}); err != nil {
						h.Errorf("Start(%s) error: %v", id, err)
					}
					if st, err := h.Wait(h.Context(), client.InstanceID(id)); err != nil || string(st.Output) != fmt.Sprint(i) {
						h.Errorf("Wait(%s) = %+v, %v", id, st, err)
					}
					if h.Links(client.InstanceID(id)).ID != id {
						h.Errorf("Links(%s) are of another", id)
					}
					if _, err := h.List(h.Context(), client.Query{PageSize: 5}); err != nil {
						h.Errorf("List error: %v", err)
					}
				})
			}
			all.Wait()
		}},
		{number: 79, says: "Wait outlasts a restart of the server", test: func(h *testHub) {
			if h.transport == "local" {
				return // client and server are one process
			}
			h.begin("Slow", "x", nil)
			var server atomic.Pointer[http.RoundTripper] // nil while it is away
			server.Store(new(h.web))
			c := client.Remote(origin, client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: network(func(r *http.Request) (*http.Response, error) {
				if web := server.Load(); web != nil {
					return (*web).RoundTrip(r)
				}
				return nil, errors.New("connection refused")
			})}})
			var ended sync.WaitGroup
			ended.Go(func() {
				if st, err := c.Wait(h.Context(), "x"); err != nil || st.RuntimeStatus != history.Completed {
					h.Errorf("Wait = %+v, %v; want the end", st, err)
				}
			})
			synctest.Wait()
			server.Store(nil)
			h.stop()
			time.Sleep(10 * time.Second) // of virtual time
			h.start()
			server.Store(new(h.web))
			ended.Wait()
		}},
	})
}

// network is a network that is a function.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) { return n(r) }

// everything calls every operation on an instance. Those that begin with "read"
// change nothing.
func (h *testHub) everything(id string) map[string]error {
	ctx := h.Context()
	var history error
	for _, err := range h.History(ctx, client.InstanceID(id), client.HistoryOptions{}) {
		history = err
	}
	return map[string]error{
		"read Status":      ignore(h.Status(ctx, client.InstanceID(id), client.StatusOptions{})),
		"read History":     history,
		"read Explain":     ignore(h.Explain(ctx, client.InstanceID(id))),
		"read Export":      ignore(h.Export(ctx, client.InstanceID(id))),
		"read PlanRewind":  ignore(h.PlanRewind(ctx, client.InstanceID(id), client.RewindOptions{})),
		"Rewind":           h.Rewind(ctx, client.InstanceID(id), client.RewindOptions{}),
		"read WaitStarted": ignore(h.WaitStarted(ctx, client.InstanceID(id))),
		"read Wait":        ignore(h.Wait(ctx, client.InstanceID(id))),
		"Raise":            h.Raise(ctx, client.InstanceID(id), "go", nil),
		"Terminate":        h.Terminate(ctx, client.InstanceID(id), client.TerminateOptions{}),
		"Suspend":          h.Suspend(ctx, client.InstanceID(id), ""),
		"Resume":           h.Resume(ctx, client.InstanceID(id), ""),
		"Restart":          ignore(h.Restart(ctx, client.InstanceID(id), client.RestartOptions{SameID: true})),
		"Purge":            ignore(h.Purge(ctx, client.InstanceID(id), client.PurgeOptions{MustExist: true})),
	}
}
