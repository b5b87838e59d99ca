package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// addShapes adds an orchestrator that causes every kind of event that does not
// need a client.
func addShapes(_ *world, app *perdure.App) {
	addEcho(app)
	perdure.AddOrchestrator(app, "Child", func(_ *perdure.OrchestrationContext, in string) (string, error) { return in, nil })
	perdure.AddOrchestrator(app, "Shapes", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
		if err := perdure.SendEvent(ctx, "nobody", "Hello", nil); err != nil {
			return "", err
		}
		one, two := echo.Call(ctx, in), child.Call(ctx, in)
		timer := ctx.CreateTimer(time.Second)
		if _, err := perdure.WhenAll(ctx, one, two).Await(); err != nil {
			return "", err
		}
		if _, err := timer.Await(); err != nil {
			return "", err
		}
		if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
			return "", err
		}
		if in == "fail" {
			return "", errors.New("as asked")
		}
		return echo.Call(ctx, "done").Await()
	})
}

// shape runs the orchestrator Shapes to its end and returns its history.
func (w *world) shape(in string, status history.RuntimeStatus) []history.Event {
	w.Helper()
	id := w.mustStart("Shapes", in, client.StartOptions{})
	time.Sleep(2 * time.Second)
	if err := w.Suspend(context.Background(), history.InstanceID(id), "pause"); err != nil {
		w.Fatalf("Suspend = %v", err)
	}
	w.settle()
	if err := w.Resume(context.Background(), history.InstanceID(id), "go on"); err != nil {
		w.Fatalf("Resume = %v", err)
	}
	w.raise(id, "Go", nil)
	w.ended(id, status)
	return w.history(id)
}

// shaped returns the id of the instance that shape ran.
func (w *world) shaped() string {
	w.Helper()
	for _, id := range w.instances("") {
		if w.status(id).Name == "Shapes" {
			return id
		}
	}
	w.Fatal("there is no instance of Shapes")
	return ""
}

// frames splits a history into its turns, which begin with OrchestratorStarted.
func frames(events []history.Event) [][]history.Event {
	var turns [][]history.Event
	for i := range events {
		if events[i].Kind == history.OrchestratorStarted {
			turns = append(turns, nil)
		}
		if len(turns) > 0 {
			turns[len(turns)-1] = append(turns[len(turns)-1], events[i])
		}
	}
	return turns
}

func TestI103_TurnsAreFramed(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		events := w.shape("in", history.Completed)
		if events[0].Kind != history.OrchestratorStarted || events[1].Kind != history.ExecutionStarted {
			w.Errorf("the history begins with %s, %s; want OrchestratorStarted, ExecutionStarted", events[0].Kind, events[1].Kind)
		}
		for n, turn := range frames(events) {
			last := turn[len(turn)-1]
			if last.Kind != history.OrchestratorCompleted || len(turn) < 3 {
				w.Errorf("turn %d has %d events and ends with %s; want something between the frames, and OrchestratorCompleted", n+1, len(turn), last.Kind)
			}
			for i, ev := range turn[1 : len(turn)-1] {
				switch ev.Kind {
				case history.OrchestratorStarted, history.OrchestratorCompleted:
					w.Errorf("turn %d has %s inside", n+1, ev.Kind)
				case history.ExecutionStarted:
					if n > 0 || i > 0 {
						w.Errorf("turn %d has ExecutionStarted at %d, want it first in the first turn only", n+1, i)
					}
				}
			}
		}
	})
}

func TestI104_IncomingEventsComeFirstAndSchedulingEventsAscend(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		next := int32(0)
		for n, turn := range frames(w.shape("in", history.Completed)) {
			scheduling := false
			for _, ev := range turn[1 : len(turn)-1] {
				own := ev.Kind.Scheduling() || ev.Kind == history.ExecutionCompleted
				switch {
				case !own && ev.ID != history.NoID:
					w.Errorf("turn %d: incoming %s has id %d, want %d", n+1, ev.Kind, ev.ID, history.NoID)
				case !own && scheduling:
					w.Errorf("turn %d: incoming %s comes after what the turn scheduled", n+1, ev.Kind)
				case own && ev.ID != next:
					w.Errorf("turn %d: %s has id %d, want %d", n+1, ev.Kind, ev.ID, next)
				}
				if own {
					scheduling = true
					next++
				}
			}
		}
		if next != 6 {
			w.Errorf("there are %d sequence ids, want 6", next)
		}
	})
}

func TestI105_EndedInstanceEndsWithItsResult(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		for in, want := range map[string]history.Event{
			"in":   {Kind: history.ExecutionCompleted, Status: history.Completed, Payload: []byte(`"done"`)},
			"fail": {Kind: history.ExecutionCompleted, Status: history.Failed, Failure: &history.Failure{Type: "*errors.errorString", Message: "as asked"}},
		} {
			events := w.shape(in, want.Status)
			last := events[len(events)-1]
			if last.Kind != history.OrchestratorCompleted {
				w.Errorf("%s: the history ends with %s, want OrchestratorCompleted", in, last.Kind)
			}
			got := events[len(events)-2]
			got.ID, got.At = 0, time.Time{}
			if diff := cmp.Diff(want, got); diff != "" {
				w.Errorf("%s: the event before the last (-want +got):\n%s", in, diff)
			}
		}
	})
}

func TestI108_PendingInstanceHasNoHistory(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		id := w.mustStart("Child", "in", client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		w.settle()
		s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{Input: true, Output: true, History: true})
		if err != nil || s.Status != history.Pending || s.History != nil || string(s.Input) != `"in"` {
			w.Errorf("Status = %s with input %s and history %v, %v; want Pending with \"in\" and none", s.Status, s.Input, s.History, err)
		}
		w.completed(id)
		if events := w.history(id); len(events) == 0 {
			w.Error("the completed instance has no history")
		}
	})
}

// What the engine owns of the row: a status without history has no events, one
// with it has all of them; hiding and folding is the client's.
func TestI106_HistoryForClientsHidesFramesAndFoldsCalls(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		events := w.shape("in", history.Completed)
		id := w.shaped()
		s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{Input: true, Output: true})
		if err != nil || s.History != nil {
			w.Errorf("Status without history = %d events, %v; want none", len(s.History), err)
		}
		for _, results := range []bool{false, true} {
			shown, answers := 0, 0
			for ev, err := range w.History(context.Background(), history.InstanceID(id), client.HistoryOptions{Merged: true, Outputs: results}) {
				if err != nil {
					w.Fatalf("History = %v", err)
				}
				shown++
				switch ev.Kind {
				case history.OrchestratorStarted, history.OrchestratorCompleted, history.TaskScheduled, history.SubOrchestrationInstanceCreated:
					w.Errorf("it shows %s, want frames hidden and calls folded into their ends", ev.Kind)
				case history.TaskCompleted, history.SubOrchestrationInstanceCompleted:
					answers++
					if ev.Scheduled == nil || ev.Scheduled.At.IsZero() || ev.Scheduled.Name == "" {
						w.Errorf("%s does not tell what it answers: %+v", ev.Kind, ev.Scheduled)
					}
					if got := ev.Payload != nil; got != results {
						w.Errorf("%s shows its result: %t, want %t", ev.Kind, got, results)
					}
				}
			}
			if answers != 3 || shown >= len(events) {
				w.Errorf("it shows %d events, %d of them results, of %d; want 3 results and less than all", shown, answers, len(events))
			}
		}
	})
}

func TestI107_InputsAreInTheHistoryOnlyOnRequest(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		w.shape("in", history.Completed)
		id := w.shaped()
		for _, merged := range []bool{false, true} {
			for _, inputs := range []bool{false, true} {
				seen := 0
				for ev, err := range w.History(context.Background(), history.InstanceID(id), client.HistoryOptions{Merged: merged, Inputs: inputs, Outputs: true}) {
					if err != nil {
						w.Fatalf("History = %v", err)
					}
					calls := []*history.Event{&ev.RecordedEvent, ev.Scheduled}
					for _, call := range calls {
						if call == nil {
							continue
						}
						switch call.Kind {
						case history.ExecutionStarted, history.TaskScheduled, history.SubOrchestrationInstanceCreated:
							seen++
							if got := call.Payload != nil; got != inputs {
								w.Errorf("merged %t: %s shows its input: %t, want %t", merged, call.Kind, got, inputs)
							}
						}
					}
				}
				if seen < 4 {
					w.Errorf("merged %t: %d events with inputs were looked at, want the start and 3 calls", merged, seen)
				}
			}
		}
	})
}
