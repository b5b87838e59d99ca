package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/history"
)

func TestClient_01to05_Start(t *testing.T) {
	onIdle(t, func(h *hub) {
		if got := h.start("Echo", "mine", nil); got != "mine" {
			h.Errorf("StartNew with id mine = %q", got)
		}
		if got := h.start("Echo", "", nil); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got) {
			h.Errorf("StartNew without id = %q, want 32 hex digits", got)
		}
		if got := h.status("mine").Status; got != history.Pending {
			h.Errorf("status without a worker = %s, want Pending", got)
		}
		for _, id := range badIDs {
			_, err := h.StartNew(h.Context(), "Echo", nil, client.StartOptions{ID: id})
			h.wantErr(fmt.Sprintf("StartNew(%.9q)", id), err, client.ErrInvalidArgument)
		}
		h.start("Echo", strings.Repeat("é", 256), nil)
		_, err := h.StartNew(h.Context(), "", nil, client.StartOptions{})
		h.wantErr("StartNew without a name", err, client.ErrInvalidArgument)
		_, err = h.StartNew(h.Context(), "Echo", math.Inf(1), client.StartOptions{})
		h.wantErr("StartNew with what is no JSON", err, client.ErrInvalidArgument)
		_, err = h.StartNew(h.Context(), "Echo", json.RawMessage(`{`), client.StartOptions{})
		h.wantErr("StartNew with broken JSON", err, client.ErrInvalidArgument)
	})
}

func TestClient_06to10_Conflicts(t *testing.T) {
	on(t, func(h *hub) {
		_, err := h.StartNew(h.Context(), "Nope", nil, client.StartOptions{})
		h.wantErr("StartNew(Nope)", err, client.ErrInvalidArgument)
		if !errors.Is(err, client.ErrUnknownOrchestrator) {
			h.Errorf("StartNew(Nope) error = %v, want ErrUnknownOrchestrator", err)
		}
		h.start("Wait", "x", 1)
		_, err = h.StartNew(h.Context(), "Echo", 2, client.StartOptions{ID: "x"})
		h.wantErr("StartNew(x) again", err, client.ErrAlreadyExists)
		id, err := h.StartNew(h.Context(), "Echo", 2, client.StartOptions{ID: "x", Reuse: client.ReturnExisting})
		if id != "x" || err != nil || string(h.status("x").Input) != "1" {
			h.Errorf("StartNew(x, ReturnExisting) = %q, %v; input is %s; want x and the first one's", id, err, h.status("x").Input)
		}
		first := h.status("x")
		synctest.Wait()
		if _, err = h.StartNew(h.Context(), "Echo", 3, client.StartOptions{ID: "x", Reuse: client.ReplaceAny}); err != nil {
			h.Errorf("StartNew(x, ReplaceAny) error: %v", err)
		}
		st, err := h.WaitForCompletion(h.Context(), "x")
		if err != nil || string(st.Output) != "3" || st.ExecutionID == first.ExecutionID {
			h.Errorf("WaitForCompletion(x) = %+v, %v; want the new execution's output", st, err)
		}
		_, err = h.StartNew(h.Context(), "Echo", 2, client.StartOptions{ID: "x", Reuse: client.RefuseIfExists})
		h.wantErr("StartNew(x, RefuseIfExists)", err, client.ErrAlreadyExists)
		time.Sleep(time.Minute) // of virtual time
		h.start("Wait", "x", nil)
		if again := h.status("x"); again.Output != nil || !again.CreatedAt.After(st.CreatedAt) {
			h.Errorf("status of the reused id = %+v, want no output and a later creation than %v", again, st.CreatedAt)
		}
	})
}

func TestClient_11_ConcurrentStarts(t *testing.T) {
	on(t, func(h *hub) {
		var started atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := h.StartNew(h.Context(), "Wait", nil, client.StartOptions{ID: "one"}); err == nil {
					started.Add(1)
				}
			})
		}
		all.Wait()
		if got := started.Load(); got != 1 {
			h.Errorf("%d of 50 concurrent starts of one id succeed, want 1", got)
		}
	})
}

func TestClient_12_StartAt(t *testing.T) {
	on(t, func(h *hub) {
		at := time.Now().Add(time.Hour)
		_, err := h.StartNew(h.Context(), "Echo", nil, client.StartOptions{ID: "x", StartAt: at, Version: "1.2", Tags: map[string]string{"Who": "me"}})
		h.done("StartNew", err)
		synctest.Wait()
		if st := h.status("x"); st.Status != history.Pending || !st.ScheduledAt.Equal(at) || st.Version != "1.2" || st.Tags["Who"] != "me" {
			h.Errorf("status = %+v, want Pending until %v with version and tags", st, at)
		}
		h.done("Terminate", h.Terminate(h.Context(), "x", client.TerminateOptions{}))
		synctest.Wait()
		if st := h.status("x"); st.Status != history.Terminated {
			h.Errorf("status after Terminate = %s", st.Status)
		}
	})
}

func TestClient_13and14_Inputs(t *testing.T) {
	on(t, func(h *hub) {
		for _, tt := range []struct {
			input any
			want  string
		}{
			{json.RawMessage(`{"b":12345678901234567890,"a":1.50}`), `{"b":12345678901234567890,"a":1.50}`},
			{nil, ""}, {json.RawMessage(nil), ""}, {"<é>", `"\u003cé\u003e"`}, {map[string]int{"n": 1}, `{"n":1}`},
		} {
			id := h.start("Echo", "", tt.input)
			st, err := h.WaitForCompletion(h.Context(), id)
			if err != nil || string(st.Input) != tt.want {
				h.Errorf("input %v is stored as %s (%v), want %s", tt.input, st.Input, err, tt.want)
			}
		}
	})
}

func TestClient_15to17_Get(t *testing.T) {
	on(t, func(h *hub) {
		_, err := h.GetStatus(h.Context(), "nobody", client.GetOptions{})
		h.wantErr("GetStatus(nobody)", err, client.ErrNotFound)
		id := h.start("Echo", "a b+é%2F", 7)
		h.done("wait", ignore(h.WaitForCompletion(h.Context(), id)))
		st := h.status(id)
		if st.ID != id || st.Name != "Echo" || st.Status != history.Completed || st.CreatedAt.IsZero() || st.UpdatedAt.Before(st.CreatedAt) || len(st.ExecutionID) != 32 {
			h.Errorf("status = %+v", st)
		}
		st, err = h.GetStatus(h.Context(), id, client.GetOptions{OmitInput: true})
		if err != nil || st.Input != nil || string(st.Output) != "7" {
			h.Errorf("GetStatus(OmitInput) = %+v, %v; want no input, output 7", st, err)
		}
		st, err = h.GetStatus(h.Context(), id, client.GetOptions{OmitInput: true, OmitOutput: true})
		if err != nil || st.Input != nil || st.Output != nil {
			h.Errorf("GetStatus(OmitInput, OmitOutput) = %+v, %v; want neither", st, err)
		}
	})
}

func ignore[T any](_ T, err error) error { return err }

func TestClient_27to33_RaiseEvent(t *testing.T) {
	on(t, func(h *hub) {
		ctx := h.Context()
		h.start("Wait", "x", nil)
		h.done("RaiseEvent", h.RaiseEvent(ctx, "x", "GO", map[string]int{"a": 1}, client.WithIdempotencyKey("k")))
		st, err := h.WaitForCompletion(ctx, "x")
		if err != nil || string(st.Output) != `{"a":1}` {
			h.Errorf("WaitForCompletion = %+v, %v; want the event's data", st, err)
		}
		h.wantErr("RaiseEvent to nobody", h.RaiseEvent(ctx, "nobody", "go", nil), client.ErrNotFound)
		err = h.RaiseEvent(ctx, "x", "go", nil)
		h.wantErr("RaiseEvent to an ended one", err, client.ErrInvalidState)
		if !errors.Is(err, client.ErrTerminal) {
			h.Errorf("RaiseEvent to an ended one error = %v, want ErrTerminal", err)
		}
		h.wantErr("RaiseEvent without a name", h.RaiseEvent(ctx, "x", "", nil), client.ErrInvalidArgument)
	})
}

func TestClient_34and35_Terminate(t *testing.T) {
	on(t, func(h *hub) {
		ctx := h.Context()
		h.start("Wait", "x", nil)
		h.done("Terminate", h.Terminate(ctx, "x", client.TerminateOptions{Reason: "why & how?"}))
		st, err := h.WaitForCompletion(ctx, "x")
		var reason string
		if err == nil {
			err = json.Unmarshal(st.Output, &reason)
		}
		if err != nil || st.Status != history.Terminated || reason != "why & how?" {
			h.Errorf("WaitForCompletion = %+v, %v; want Terminated with the reason", st, err)
		}
		h.wantErr("Terminate again", h.Terminate(ctx, "x", client.TerminateOptions{}), client.ErrTerminal)
		h.wantErr("Terminate nobody", h.Terminate(ctx, "nobody", client.TerminateOptions{}), client.ErrNotFound)
	})
}

func TestClient_38to41_SuspendAndResume(t *testing.T) {
	on(t, func(h *hub) {
		ctx := h.Context()
		h.start("Wait", "x", nil)
		synctest.Wait()
		h.wantErr("Resume", h.Resume(ctx, "x", ""), client.ErrInvalidState)
		h.done("Suspend", h.Suspend(ctx, "x", "why"))
		h.wantErr("Suspend again", h.Suspend(ctx, "x", ""), client.ErrInvalidState)
		h.done("RaiseEvent", h.RaiseEvent(ctx, "x", "go", 1))
		synctest.Wait()
		if st := h.status("x"); st.Status != history.Suspended || string(st.Output) != `"why"` {
			h.Errorf("status = %+v, want Suspended with the reason", st)
		}
		h.done("Resume", h.Resume(ctx, "x", ""))
		h.done("wait", ignore(h.WaitForCompletion(ctx, "x")))
		h.wantErr("Suspend an ended one", h.Suspend(ctx, "x", ""), client.ErrTerminal)
		h.wantErr("Resume an ended one", h.Resume(ctx, "x", ""), client.ErrTerminal)
		h.wantErr("Suspend nobody", h.Suspend(ctx, "nobody", ""), client.ErrNotFound)
	})
}

func TestClient_57to59_Wait(t *testing.T) {
	on(t, func(h *hub) {
		h.wantErr("WaitForCompletion of nobody", ignore(h.WaitForCompletion(h.Context(), "nobody")), client.ErrNotFound)
		h.start("Slow", "x", nil)
		ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
		defer cancel()
		if _, err := h.WaitForCompletion(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			h.Errorf("WaitForCompletion error = %v, want DeadlineExceeded", err)
		}
		began := time.Now()
		st, err := h.WaitForCompletion(h.Context(), "x")
		if err != nil || st.Status != history.Completed || time.Since(began) > 59*time.Minute+time.Second {
			h.Errorf("WaitForCompletion = %+v, %v after %v; want the end when the timer fires", st, err, time.Since(began))
		}
		id := h.start("Fail", "", nil)
		st, err = h.WaitForCompletion(h.Context(), id)
		if err != nil || st.Err() == nil || st.Failure == nil || st.Failure.Message != "it broke" {
			h.Errorf("WaitForCompletion of a failure = %+v, %v; want a failure with its message", st, err)
		}
	})
}

func TestClient_78_ConcurrentUse(t *testing.T) {
	on(t, func(h *hub) {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				id := fmt.Sprint("n", i)
				if _, err := h.StartNew(h.Context(), "Echo", i, client.StartOptions{ID: id}); err != nil {
					h.Errorf("StartNew(%s) error: %v", id, err)
				}
				if st, err := h.WaitForCompletion(h.Context(), id); err != nil || string(st.Output) != fmt.Sprint(i) {
					h.Errorf("WaitForCompletion(%s) = %+v, %v", id, st, err)
				}
			})
		}
		all.Wait()
	})
}

// answers is a network on which a host answers each request with the next of a
// list; an error is a host that cannot be reached.
type answers []any

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	next := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	if err, ok := next.(error); ok {
		return nil, err
	}
	body := `{"name":"F","instanceId":"x","runtimeStatus":"Completed","createdTime":"2026-01-02T03:04:05Z","lastUpdatedTime":"2026-01-02T03:04:05Z","input":null,"output":1}`
	w := &http.Response{StatusCode: next.(int), Header: http.Header{}, Body: http.NoBody}
	if w.StatusCode < 300 {
		w.Body = readCloser{strings.NewReader(body)}
	}
	return w, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestClient_79_WaitOutlastsARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("connection refused")
		c := client.Remote("http://host", client.RemoteOptions{HTTPClient: &http.Client{Transport: &answers{202, away, away, 503, 202, 200}}})
		st, err := c.WaitForCompletion(t.Context(), "x")
		if err != nil || st.Status != history.Completed || st.CreatedAt.Year() != 2026 || string(st.Output) != "1" {
			t.Errorf("WaitForCompletion = %+v, %v; want the end", st, err)
		}
		c = client.Remote("http://host", client.RemoteOptions{HTTPClient: &http.Client{Transport: &answers{away}}})
		if _, err := c.WaitForCompletion(t.Context(), "x"); !errors.Is(err, client.ErrUnavailable) || !errors.Is(err, away) {
			t.Errorf("WaitForCompletion of a host that is gone error = %v, want ErrUnavailable", err)
		}
	})
}

func TestForeignHostsAreUnderstood(t *testing.T) {
	for code, want := range map[int]error{
		400: client.ErrInvalidArgument, 401: client.ErrUnauthenticated, 404: client.ErrNotFound, 409: client.ErrAlreadyExists, 410: client.ErrTerminal, 503: client.ErrUnavailable,
	} {
		c := client.Remote("http://host", client.RemoteOptions{HTTPClient: &http.Client{Transport: &answers{code}}})
		if _, err := c.StartNew(t.Context(), "F", nil, client.StartOptions{}); !errors.Is(err, want) {
			t.Errorf("StartNew at a host that answers %d: error = %v, want %v", code, err, want)
		}
	}
}

func TestResult(t *testing.T) {
	st := &client.Status{ID: "x", Status: history.Completed, Output: json.RawMessage(`[1,2]`)}
	if got, err := client.Result[[]int](st); err != nil || len(got) != 2 {
		t.Errorf("Result = %v, %v; want [1 2]", got, err)
	}
	st.Status = history.Failed
	if _, err := client.Result[[]int](st); err == nil {
		t.Errorf("Result of a failed instance has no error")
	}
	st.Status = history.Running
	if _, err := client.Result[[]int](st); !errors.Is(err, client.ErrInvalidState) {
		t.Errorf("Result of a running instance error = %v, want ErrInvalidState", err)
	}
}
