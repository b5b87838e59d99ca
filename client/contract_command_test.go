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
		{27, "An event before its wait is delivered", false, func(h *testHub) {
			h.beginWith("Wait", nil, client.StartOptions{ID: "x", StartAt: time.Now().Add(time.Minute)})
			h.done("Raise", h.Raise(h.Context(), "x", "go", map[string]int{"a": 1}))
			if st := h.ended("x", history.Completed); string(st.Output) != `{"a":1}` {
				h.Errorf("output = %s, want the event's data", st.Output)
			}
		}},
		{28, "A missing instance is ErrNotFound", false, func(h *testHub) {
			h.refused("Raise(nobody)", h.Raise(h.Context(), "nobody", "go", nil), client.ErrNotFound)
		}},
		{29, "An ended one is ErrTerminal", false, func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			err := h.Raise(h.Context(), "x", "go", nil)
			h.refused("Raise", err, client.ErrInvalidState)
			e, ok := errors.AsType[*client.Error](err)
			if !errors.Is(err, client.ErrTerminal) || !ok || e.Status != history.Completed {
				h.Errorf("Raise error = %#v, want ErrTerminal and Completed", err)
			}
		}},
		{30, "An empty name is refused", false, func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.refused("Raise", h.Raise(h.Context(), "x", "", nil), client.ErrInvalidArgument)
		}},
		{31, "No data is null", false, func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.done("Raise", h.Raise(h.Context(), "x", "go", nil))
			if st := h.ended("x", history.Completed); st.Output != nil && string(st.Output) != "null" {
				h.Errorf("output = %s, want null", st.Output)
			}
		}},
		{32, "Names match in any case", false, func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.done("Raise", h.Raise(h.Context(), "x", "GO", 1))
			h.ended("x", history.Completed)
		}},
		{33, "Events of a suspended one are kept in order", false, func(h *testHub) {
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
		{33, "A key counts once", false, func(h *testHub) {
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
		{34, "Terminate ends it in every state", false, func(h *testHub) {
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
		{35, "Ended and missing ones are told", false, func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			err := h.Terminate(h.Context(), "x", client.TerminateOptions{})
			h.refused("Terminate(x)", err, client.ErrInvalidState)
			if !errors.Is(err, client.ErrTerminal) {
				h.Errorf("Terminate(x) error = %v, want ErrTerminal", err)
			}
			h.refused("Terminate(nobody)", h.Terminate(h.Context(), "nobody", client.TerminateOptions{}), client.ErrNotFound)
		}},
		{36, "A running activity finishes and is ignored", false, func(h *testHub) {
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
		{37, "Recursive ends the children", false, func(h *testHub) {
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
		{38, "Suspend suspends once", false, func(h *testHub) {
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
		{39, "Resume may follow at once", false, func(h *testHub) {
			h.begin("Wait", "x", nil)
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "x", ""))
			h.done("Resume", h.Resume(h.Context(), "x", ""))
			h.is("x", history.Running)
		}},
		{40, "Resume of a running one is refused", false, func(h *testHub) {
			h.begin("Wait", "x", nil)
			h.is("x", history.Running)
			h.refused("Resume", h.Resume(h.Context(), "x", ""), client.ErrInvalidState)
		}},
		{41, "Ended and missing ones are told", false, func(h *testHub) {
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
