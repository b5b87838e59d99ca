package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestClient_Start(t *testing.T) {
	run(t, []row{
		{number: 1, says: "Start returns the id", idle: true, test: func(h *testHub) {
			if got := h.begin("Echo", "mine", nil); got != "mine" {
				h.Errorf("Start with id mine = %q", got)
			}
			if got := h.begin("Echo", "", nil); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got) {
				h.Errorf("Start without id = %q, want 32 hex digits", got)
			}
		}},
		{number: 2, says: "Start returns before the orchestrator ran", test: func(h *testHub) {
			h.begin("Rest", "x", nil) // its activity takes a minute
			if got := h.marked("woke up"); got != 0 {
				h.Errorf("Start returned after the activity had ended")
			}
			h.ended("x", history.Completed)
		}},
		{number: 3, says: "Start without a worker leaves it Pending", idle: true, test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.is("x", history.Pending)
		}},
		{number: 4, says: "Bad arguments have no effect", idle: true, test: func(h *testHub) {
			for _, id := range badIDs {
				_, err := h.Start(h.Context(), "Echo", nil, client.StartOptions{ID: client.InstanceID(id)})
				h.refused(fmt.Sprintf("Start(%.9q)", id), err, client.ErrInvalidArgument)
			}
			_, err := h.Start(h.Context(), "", nil, client.StartOptions{})
			h.refused("Start without a name", err, client.ErrInvalidArgument)
			_, err = h.Start(h.Context(), "Echo", math.Inf(1), client.StartOptions{})
			h.refused("Start with what is no JSON", err, client.ErrInvalidArgument)
			_, err = h.Start(h.Context(), "Echo", json.RawMessage(`{`), client.StartOptions{})
			h.refused("Start with broken JSON", err, client.ErrInvalidArgument)
			if got := h.ids(client.Query{}); len(got) != 0 {
				h.Errorf("instances after refused starts: %q", got)
			}
		}},
		{number: 5, says: "An id of 256 characters is accepted", idle: true, test: func(h *testHub) {
			id := strings.Repeat("é", 256)
			if got := h.begin("Echo", id, nil); got != id || string(h.status(id).ID) != id {
				h.Errorf("Start(256 characters) = %.20q..., %d bytes", got, len(got))
			}
		}},
		{number: 6, says: "An unknown orchestrator is told", test: func(h *testHub) {
			_, err := h.Start(h.Context(), "Nope", nil, client.StartOptions{})
			h.refused("Start(Nope)", err, client.ErrInvalidArgument)
			if !errors.Is(err, client.ErrUnknownOrchestrator) || !strings.Contains(err.Error(), "Echo") {
				h.Errorf("Start(Nope) error = %v, want ErrUnknownOrchestrator and the known ones", err)
			}
		}},
		{number: 7, says: "An active id is refused", test: func(h *testHub) {
			h.begin("Wait", "x", 1)
			before := h.is("x", history.Running)
			_, err := h.Start(h.Context(), "Echo", 2, client.StartOptions{ID: "x"})
			h.refused("Start(x) again", err, client.ErrAlreadyExists)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != history.Running || e.ID != "x" {
				h.Errorf("Start(x) again error = %#v, want the id and its status", err)
			}
			if after := h.is("x", history.Running); after.ExecutionID != before.ExecutionID || string(after.Input) != "1" {
				h.Errorf("the first instance is now %+v", after)
			}
			h.done("Raise", h.Raise(h.Context(), "x", "go", nil))
			h.ended("x", history.Completed)
			_, err = h.Start(h.Context(), "Echo", 2, client.StartOptions{ID: "x", Reuse: client.RefuseIfExists})
			h.refused("Start(x, RefuseIfExists)", err, client.ErrAlreadyExists)
		}},
		{number: 8, says: "An ended id is used again", test: func(h *testHub) {
			h.begin("Echo", "x", "old")
			old := h.ended("x", history.Completed)
			time.Sleep(time.Minute) // of virtual time
			h.begin("Wait", "x", nil)
			if st := h.status("x"); st.Output != nil || !st.CreatedAt.After(old.CreatedAt) || st.Name != "Wait" {
				h.Errorf("status of the id = %+v, want no output and a later creation than %v", st, old.CreatedAt)
			}
		}},
		{number: 9, says: "ReplaceAny ends a live one", test: func(h *testHub) {
			h.begin("Rest", "x", nil)
			old := h.is("x", history.Running)
			h.beginWith("Wait", 3, client.StartOptions{ID: "x", Reuse: client.ReplaceAny})
			time.Sleep(time.Hour) // of virtual time: the old one's activity ends
			st := h.is("x", history.Running)
			if st.ExecutionID == old.ExecutionID || string(st.Input) != "3" {
				h.Errorf("status after ReplaceAny = %+v, want that of the new one", st)
			}
			for _, ev := range h.events("x", client.HistoryOptions{Merged: true}) {
				if ev.Kind == history.TaskCompleted {
					h.Errorf("the new one's history holds the old one's %+v", ev)
				}
			}
		}},
		{number: 10, says: "ReturnExisting is no error and no second run", test: func(h *testHub) {
			h.begin("Echo", "x", 1)
			h.ended("x", history.Completed)
			got := h.beginWith("Echo", 2, client.StartOptions{ID: "x", Reuse: client.ReturnExisting})
			synctest.Wait()
			if runs := h.marked("Echo"); got != "x" || runs != 1 || string(h.status("x").Input) != "1" {
				h.Errorf("Start(x, ReturnExisting) = %q; %d runs, input %s; want x, 1 and the first one's", got, runs, h.status("x").Input)
			}
		}},
		{number: 11, says: "One of 50 starts of an id succeeds", test: func(h *testHub) {
			var started atomic.Int64
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					_, err := h.Start(h.Context(), "Wait", nil, client.StartOptions{ID: "one"})
					if err == nil {
						started.Add(1)
					} else if !errors.Is(err, client.ErrAlreadyExists) {
						h.Errorf("Start(one) error = %v, want ErrAlreadyExists", err)
					}
				})
			}
			all.Wait()
			if got := started.Load(); got != 1 {
				h.Errorf("%d of 50 concurrent starts of one id succeed, want 1", got)
			}
		}},
		{number: 12, says: "A start in the future stays Pending", test: func(h *testHub) {
			at := time.Now().Add(time.Hour)
			o := client.StartOptions{ID: "x", StartAt: at, Version: "1.2", Tags: map[string]string{"Who": "me & you"}}
			h.beginWith("Echo", nil, o)
			if st := h.is("x", history.Pending); !st.ScheduledAt.Equal(at) || st.Version != "1.2" || st.Tags["Who"] != "me & you" {
				h.Errorf("status = %+v, want Pending until %v with version and tags", st, at)
			}
			o.ID = "y"
			h.beginWith("Echo", nil, o)
			h.done("Terminate", h.Terminate(h.Context(), "x", client.TerminateOptions{}))
			h.is("x", history.Terminated)
			if st := h.ended("y", history.Completed); st.CompletedAt.Before(at) || st.CompletedAt.After(at.Add(time.Second)) {
				h.Errorf("y has ended at %v, want it soon after %v", st.CompletedAt, at)
			}
		}},
		{number: 13, says: "Raw JSON is kept as it is", test: func(h *testHub) {
			const raw = `{"b":12345678901234567890,"a":1.50}`
			h.begin("Echo", "x", json.RawMessage(raw))
			if st := h.ended("x", history.Completed); string(st.Input) != raw || string(st.Output) != raw {
				h.Errorf("input and output are %s and %s, want %s", st.Input, st.Output, raw)
			}
			h.begin("Echo", "y", map[string]string{"<é>": "&"})
			if got, err := client.Result[map[string]string](h.ended("y", history.Completed)); err != nil || got["<é>"] != "&" {
				h.Errorf("Result = %v, %v", got, err)
			}
		}},
		{number: 14, says: "No input is null", test: func(h *testHub) {
			for _, none := range []any{nil, json.RawMessage(nil), json.RawMessage("null"), (*int)(nil)} {
				id := h.begin("Echo", "", none)
				st := h.ended(id, history.Completed)
				if in, out := string(st.Input), string(st.Output); in != "" && in != "null" || out != "" && out != "null" {
					h.Errorf("input %#v is %q, output %q, want null", none, in, out)
				}
			}
		}},
	})
}
