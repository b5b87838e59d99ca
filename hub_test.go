package perdure_test

import (
	"context"
	"encoding/json"
	"iter"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/worker"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// testHub stands in for an engine: it keeps the history of one instance and moves
// its clock by hand. With evict, every turn is run by a session built anew.
type testHub struct {
	t        *testing.T
	worker   *worker.Worker
	evict    bool
	instance history.Instance
	now      time.Time
	past     []history.Turn
	status   json.RawMessage
}

// bothWays runs a test with sessions kept and with sessions rebuilt.
func bothWays(t *testing.T, test func(t *testing.T, open func(app *perdure.App) *testHub)) {
	for name, evict := range map[string]bool{"kept": false, "rebuilt": true} {
		t.Run(name, func(t *testing.T) {
			test(t, func(app *perdure.App) *testHub { return openHub(t, app, evict) })
		})
	}
}

// openHub runs the orchestrator "Main" of app.
func openHub(t *testing.T, app *perdure.App, evict bool) *testHub {
	t.Helper()
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &testHub{t: t, worker: w, evict: evict, now: epoch, instance: history.Instance{
		Number: 1, ID: "abc", ExecutionID: "e0", Name: "Main", Version: "v1",
		Parent: &history.Parent{InstanceID: "mother"}, Tags: map[string]string{"team": "blue"},
	}}
}

// start runs the first turn.
func (h *testHub) start(input string) []history.Action {
	h.t.Helper()
	return h.turn(history.Event{Kind: history.ExecutionStarted, Name: "Main", Payload: raw(input), Started: &history.Started{ExecutionID: "e0"}})
}

// turn runs a turn and returns what the code asked for.
func (h *testHub) turn(events ...history.Event) []history.Action {
	h.t.Helper()
	if h.evict {
		h.worker.Forget(h.instance.Number)
	}
	turn := history.Turn{Seq: uint32(len(h.past) + 1), At: h.now, Events: events}
	out, err := h.worker.Orchestrate(context.Background(), history.Work{
		Instance: h.instance, Turn: turn, PastTurns: len(h.past),
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range h.past {
					if !yield(turn, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		h.t.Fatalf("turn %d: %v", turn.Seq, err)
	}
	if out.CustomStatus != nil {
		h.status = *out.CustomStatus
	}
	for i := range out.Actions {
		if ev, ok := out.Actions[i].Event(h.now); ok {
			turn.Events = append(turn.Events[:len(turn.Events):len(turn.Events)], ev)
		}
	}
	h.past = append(h.past, turn)
	return out.Actions
}

// end returns how the execution ended, which it must have.
func (h *testHub) end(actions []history.Action) history.Action {
	h.t.Helper()
	if len(actions) == 0 || actions[len(actions)-1].Kind != history.CompleteExecution {
		h.t.Fatalf("actions = %+v; want CompleteExecution last", actions)
	}
	return actions[len(actions)-1]
}

// result returns the result of the execution, which must have one.
func (h *testHub) result(actions []history.Action) string {
	h.t.Helper()
	a := h.end(actions)
	if a.Status != history.Completed {
		h.t.Fatalf("execution ended %s, %v; want Completed", a.Status, a.Failure)
	}
	return string(a.Payload)
}

// only returns the one action that is there.
func (h *testHub) only(actions []history.Action, kind history.ActionKind) history.Action {
	h.t.Helper()
	if len(actions) != 1 || actions[0].Kind != kind {
		h.t.Fatalf("actions = %+v; want one %s", actions, kind)
	}
	return actions[0]
}

func done(id int32, result string) history.Event {
	return history.Event{Kind: history.TaskCompleted, TaskID: id, Payload: raw(result)}
}

func taskFailed(id int32, f history.Failure) history.Event {
	return history.Event{Kind: history.TaskFailed, TaskID: id, Failure: &f}
}

func boom(id int32) history.Event {
	return taskFailed(id, history.Failure{Type: "*main.Boom", Message: "boom"})
}

func fired(id int32) history.Event { return history.Event{Kind: history.TimerFired, TaskID: id} }

func raised(name, payload string) history.Event {
	return history.Event{Kind: history.EventRaised, Name: name, Payload: raw(payload)}
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// appOf returns an app with Main and the activity Work.
func appOf[In, Out any](main func(*perdure.OrchestrationContext, In) (Out, error), opts ...perdure.OrchestratorOption) *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", main, opts...)
	perdure.AddActivity(app, "Work", Work)
	return app
}

// Work is the activity of these tests; the hub answers in its place.
func Work(ctx context.Context, n int) (int, error) { return n, nil }
