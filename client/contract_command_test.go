package client_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestClient_RaiseEvent(t *testing.T) {
	run(t, []row{
		{number: 27, says: "An event before its wait is delivered", test: func(h *testHub) {
			h.beginWith("Wait", nil, client.StartOptions{ID: "x", StartAt: time.Now().Add(time.Minute)})
			h.done("Raise", h.Raise(h.Context(), "x", "go", map[string]int{"a": 1}))
			if st := h.ended("x", history.Completed); string(st.Output) != `{"a":1}` {
				h.Errorf("output = %s, want the event's data", st.Output)
			}
		}},
		{number: 28, says: "A missing instance is ErrNotFound", test: func(h *testHub) {
			h.refused("Raise(nobody)", h.Raise(h.Context(), "nobody", "go", nil), client.ErrNotFound)
		}},
		{number: 29, says: "An ended one is ErrTerminal", test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			err := h.Raise(h.Context(), "x", "go", nil)
			h.refused("Raise", err, client.ErrInvalidState)
			e, ok := errors.AsType[*client.Error](err)
			if !errors.Is(err, client.ErrTerminal) || !ok || e.Status != history.Completed {
				h.Errorf("Raise error = %#v, want ErrTerminal and Completed", err)
			}
		}},
		{number: 30, says: "An empty name is refused", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.refused("Raise", h.Raise(h.Context(), "x", "", nil), client.ErrInvalidArgument)
		}},
		{number: 31, says: "No data is null", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.done("Raise", h.Raise(h.Context(), "x", "go", nil))
			if st := h.ended("x", history.Completed); st.Output != nil && string(st.Output) != "null" {
				h.Errorf("output = %s, want null", st.Output)
			}
		}},
		{number: 32, says: "Names match in any case", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.done("Raise", h.Raise(h.Context(), "x", "GO", 1))
			h.ended("x", history.Completed)
		}},
		{number: 33, says: "Events of a suspended one are kept in order", test: func(h *testHub) {
			h.begin("Collect", "x", 3)
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "x", "why"))
			for n := range 3 {
				h.done("Raise", h.Raise(h.Context(), "x", "go", n))
			}
			if st := h.is("x", history.Suspended); string(st.Output) != `"why"` {
				h.Errorf("output while suspended = %s, want the reason", st.Output)
			}
			h.done("Resume", h.Resume(h.Context(), "x", ""))
			got, err := client.Result[[]int](h.ended("x", history.Completed))
			if err != nil || !slices.Equal(got, []int{0, 1, 2}) {
				h.Errorf("Result = %v, %v; want 0, 1, 2", got, err)
			}
		}},
		{number: 33, says: "A key counts once", test: func(h *testHub) {
			h.begin("Collect", "x", 2)
			for _, key := range []string{"a", "a", "b"} {
				h.done("Raise", h.Raise(h.Context(), "x", "go", len(key), client.WithIdempotencyKey(key)))
				synctest.Wait()
			}
			h.ended("x", history.Completed)
			h.begin("Collect", "y", 2)
			for range 2 {
				h.done("Raise", h.Raise(h.Context(), "y", "go", 1, client.WithIdempotencyKey("a")))
			}
			h.is("y", history.Running)
		}},
	})
}

func TestClient_Terminate(t *testing.T) {
	run(t, []row{
		{number: 34, says: "Terminate ends it in every state", test: func(h *testHub) {
			h.begin("Wait", "running", nil)
			h.beginWith("Wait", nil, client.StartOptions{ID: "pending", StartAt: time.Now().Add(time.Hour)})
			h.begin("Wait", "suspended", nil)
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "suspended", ""))
			h.is("suspended", history.Suspended)
			for _, id := range []string{"running", "pending", "suspended"} {
				h.done("Terminate", h.Terminate(h.Context(), client.InstanceID(id), client.TerminateOptions{Reason: "why & how?", Wait: true}))
				var reason string
				st := h.status(id)
				if err := json.Unmarshal(st.Output, &reason); err != nil || st.RuntimeStatus != history.Terminated || reason != "why & how?" {
					h.Errorf("status after Terminate(%s) = %+v, want Terminated with the reason", id, st)
				}
			}
			h.begin("Wait", "x", nil)
			h.done("Terminate", h.Terminate(h.Context(), "x", client.TerminateOptions{Output: map[string]int{"code": 3}, Wait: true}))
			if st := h.status("x"); string(st.Output) != `{"code":3}` {
				h.Errorf("output after Terminate(Output) = %s", st.Output)
			}
			err := h.Terminate(h.Context(), "x", client.TerminateOptions{Output: 1, Reason: "why"})
			h.refused("Terminate(Output, Reason)", err, client.ErrInvalidArgument)
		}},
		{number: 35, says: "Ended and missing ones are told", test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			err := h.Terminate(h.Context(), "x", client.TerminateOptions{})
			h.refused("Terminate(x)", err, client.ErrInvalidState)
			if !errors.Is(err, client.ErrTerminal) {
				h.Errorf("Terminate(x) error = %v, want ErrTerminal", err)
			}
			h.refused("Terminate(nobody)", h.Terminate(h.Context(), "nobody", client.TerminateOptions{}), client.ErrNotFound)
		}},
		{number: 36, says: "A running activity finishes and is ignored", test: func(h *testHub) {
			h.begin("Rest", "x", nil)
			synctest.Wait()
			h.done("Terminate", h.Terminate(h.Context(), "x", client.TerminateOptions{Reason: "enough", Wait: true}))
			if h.marked("fell asleep") != 1 || h.marked("woke up") != 0 {
				h.Fatalf("the activity is not running")
			}
			time.Sleep(time.Hour) // of virtual time
			st := h.is("x", history.Terminated)
			if h.marked("woke up") != 1 || string(st.Output) != `"enough"` {
				h.Errorf("after the activity's time it has ended %d times, the output is %s; want 1 and the reason", h.marked("woke up"), st.Output)
			}
			for _, ev := range h.events("x", client.HistoryOptions{Merged: true}) {
				if ev.Kind == history.TaskCompleted {
					h.Errorf("the history holds %+v", ev)
				}
			}
		}},
		{number: 37, says: "Recursive ends the children", test: func(h *testHub) {
			h.begin("Parent", "a", nil)
			h.begin("Parent", "b", nil)
			synctest.Wait()
			h.done("Terminate", h.Terminate(h.Context(), "a", client.TerminateOptions{Wait: true}))
			h.is("a:child", history.Running)
			h.done("Terminate", h.Terminate(h.Context(), "b", client.TerminateOptions{Recursive: true, Wait: true}))
			h.is("b:child", history.Terminated)
			h.is("b", history.Terminated)
		}},
	})
}

func TestClient_SuspendAndResume(t *testing.T) {
	run(t, []row{
		{number: 38, says: "Suspend suspends once", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "x", "why"))
			h.is("x", history.Suspended)
			err := h.Suspend(h.Context(), "x", "")
			h.refused("Suspend again", err, client.ErrInvalidState)
			if errors.Is(err, client.ErrTerminal) {
				h.Errorf("Suspend again error = %v, which is ErrTerminal", err)
			}
		}},
		{number: 39, says: "Resume may follow at once", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "x", ""))
			h.done("Resume", h.Resume(h.Context(), "x", ""))
			h.is("x", history.Running)
		}},
		{number: 40, says: "Resume of a running one is refused", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.is("x", history.Running)
			h.refused("Resume", h.Resume(h.Context(), "x", ""), client.ErrInvalidState)
		}},
		{number: 41, says: "Ended and missing ones are told", test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			for call, f := range map[string]func(string) error{
				"Suspend": func(id string) error { return h.Suspend(h.Context(), client.InstanceID(id), "") },
				"Resume":  func(id string) error { return h.Resume(h.Context(), client.InstanceID(id), "") },
			} {
				err := f("x")
				h.refused(call, err, client.ErrInvalidState)
				if !errors.Is(err, client.ErrTerminal) {
					h.Errorf("%s error = %v, want ErrTerminal", call, err)
				}
				h.refused(call+" nobody", f("nobody"), client.ErrNotFound)
			}
		}},
	})
}
