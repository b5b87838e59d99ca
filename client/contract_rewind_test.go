package client_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestClient_Rewind(t *testing.T) {
	run(t, []row{
		{number: 42, says: "Rewind repeats what failed only", test: func(h *testHub) {
			h.begin("Steps", "x", 0)
			h.ended("x", history.Failed)
			plan, err := h.PlanRewind(h.Context(), "x", client.RewindOptions{})
			if err != nil || plan.Instance != "x" || len(plan.Undone) != 1 || plan.Undone[0].Name != "Step" || plan.Undone[0].Kind != history.TaskScheduled ||
				plan.Undone[0].Failure == nil || plan.Undone[0].Failure.Message != "not repaired" {
				h.Errorf("PlanRewind = %+v, %v; want the failed step", plan, err)
			}
			h.is("x", history.Failed) // it was a plan
			h.mark("repaired")
			h.done("Rewind", h.Rewind(h.Context(), "x", client.RewindOptions{Reason: "repaired"}))
			got, err := client.Result[[]string](h.ended("x", history.Completed))
			if err != nil || !slices.Equal(got, []string{"first done", "second done"}) || h.marked("first") != 1 || h.marked("second") != 2 {
				h.Errorf("Result = %q, %v; first ran %d times, second %d; want 1 and 2", got, err, h.marked("first"), h.marked("second"))
			}
		}},
		{number: 43, says: "Others are refused", test: func(h *testHub) {
			h.begin("Echo", "completed", nil)
			h.begin("Wait", "running", nil)
			h.begin("Wait", "suspended", nil)
			h.begin("Wait", "terminated", nil)
			h.beginWith("Wait", nil, client.StartOptions{ID: "pending", StartAt: time.Now().Add(time.Hour)})
			synctest.Wait()
			h.done("Suspend", h.Suspend(h.Context(), "suspended", ""))
			h.done("Terminate", h.Terminate(h.Context(), "terminated", client.TerminateOptions{Wait: true}))
			synctest.Wait()
			for _, id := range []string{"completed", "running", "suspended", "terminated", "pending"} {
				h.refused("Rewind("+id+")", h.Rewind(h.Context(), client.InstanceID(id), client.RewindOptions{}), client.ErrInvalidState)
				h.refused("PlanRewind("+id+")", ignore(h.PlanRewind(h.Context(), client.InstanceID(id), client.RewindOptions{})), client.ErrInvalidState)
			}
			h.refused("Rewind(nobody)", h.Rewind(h.Context(), "nobody", client.RewindOptions{}), client.ErrNotFound)
		}},
		{number: 44, says: "The reason is in the history", test: func(h *testHub) {
			h.begin("Steps", "x", 0)
			h.ended("x", history.Failed)
			h.mark("repaired")
			h.done("Rewind", h.Rewind(h.Context(), "x", client.RewindOptions{Reason: "why & how?"}))
			h.ended("x", history.Completed)
			for _, merged := range []bool{false, true} {
				got := h.events("x", client.HistoryOptions{Merged: merged, Types: []client.EventType{history.ExecutionRewound}})
				var reason string
				if len(got) != 1 || json.Unmarshal(got[0].Payload, &reason) != nil || reason != "why & how?" {
					h.Errorf("History(Merged: %v) has %+v, want one rewind with its reason", merged, got)
				}
			}
		}},
		{number: 45, says: "A timer in the history is no obstacle", test: func(h *testHub) {
			h.begin("Steps", "x", time.Hour)
			h.ended("x", history.Failed)
			h.mark("repaired")
			began := time.Now()
			h.done("Rewind", h.Rewind(h.Context(), "x", client.RewindOptions{}))
			h.ended("x", history.Completed)
			if took := time.Since(began); took > time.Minute || h.marked("first") != 1 {
				h.Errorf("the rewound instance takes %v, its first step ran %d times; want no second hour", took, h.marked("first"))
			}
		}},
	})
}
