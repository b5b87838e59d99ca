package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// records returns how many history records the store holds for an instance.
func (w *world) records(id string) int {
	w.Helper()
	row, ok, err := w.inner.FindInstance(context.Background(), history.InstanceID(id))
	if err != nil || !ok {
		w.Fatalf("FindInstance(%s) = %t, %v", id, ok, err)
	}
	n := 0
	for _, err := range w.inner.Records(context.Background(), row.Number) {
		if err != nil {
			w.Fatalf("records of %s: %v", id, err)
		}
		n++
	}
	return n
}

// addStepper adds an orchestrator that continues as new at each event Step, with
// a number higher by one, and ends at the event End.
func addStepper(_ *world, app *perdure.App) {
	perdure.AddActivity(app, "Echo", func(_ context.Context, in string) (string, error) { return in, nil })
	perdure.AddOrchestrator(app, "Stepper", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		if _, err := perdure.ActivityRef[string, string]("Echo").Call(ctx, fmt.Sprint(n)).Await(); err != nil {
			return n, err
		}
		step := perdure.WaitForExternalEvent[string](ctx, "Step")
		end := perdure.WaitForExternalEvent[string](ctx, "End")
		winner, err := perdure.WhenAny(ctx, step, end).Await()
		if err != nil || winner == 1 {
			return n, err
		}
		return n, ctx.ContinueAsNew(n + 1)
	})
}

func TestG80_NextExecutionHasTheSameIDAndAHistoryOfItsOwn(t *testing.T) {
	contract(t, addStepper, func(w *world) {
		id := w.mustStart("Stepper", 0, client.StartOptions{Tags: map[string]string{"k": "v"}, Version: "7"})
		w.settle()
		before := w.status(id)
		w.raise(id, "Step", nil)
		w.settle()
		w.crash()
		w.settle()
		after := w.status(id)
		if after.ExecutionID == before.ExecutionID || len(after.ExecutionID) != 32 {
			w.Errorf("execution id went from %q to %q, want another one", before.ExecutionID, after.ExecutionID)
		}
		if string(after.ID) != id || after.Name != "Stepper" || after.Version != "7" || after.Tags["k"] != "v" || after.RuntimeStatus != history.Running {
			w.Errorf("next execution: %+v, want what it was in all else, Running", after)
		}
		if string(before.Input) != "0" || string(after.Input) != "1" {
			w.Errorf("input went from %s to %s, want from 0 to 1", before.Input, after.Input)
		}
		events := w.history(id)
		if len(events) < 2 || events[0].Kind != history.OrchestratorStarted || events[1].Kind != history.ExecutionStarted {
			w.Fatalf("the history begins otherwise than with OrchestratorStarted, ExecutionStarted: %s", w.json(id))
		}
		if started := events[1].Started; started.ExecutionID != after.ExecutionID || started.Generation != 1 {
			w.Errorf("ExecutionStarted is of execution %s, generation %d; want %s, 1", started.ExecutionID, started.Generation, after.ExecutionID)
		}
		if n := w.count(id, history.TaskScheduled); n != 1 {
			w.Errorf("the history has %d TaskScheduled, want 1: of this execution only", n)
		}
	})
}

// Sequence ids begin again, so a child of the last execution has the number of a
// child of the next one.
func TestG80_ResultMeantForTheLastExecutionIsNotTheNextOnes(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, kid perdure.InstanceID) (string, error) {
			result := child.Call(ctx, "", perdure.WithInstanceID(kid))
			step := perdure.WaitForExternalEvent[string](ctx, "Step")
			winner, err := perdure.WhenAny(ctx, result, step).Await()
			if err != nil || winner == 1 {
				return "", errors.Join(err, ctx.ContinueAsNew("second"))
			}
			return result.Await()
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "first", client.StartOptions{})
		w.settle()
		w.raise(id, "Step", nil)
		w.settle()
		w.raise("first", "Go", "old")
		w.completed("first")
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Running {
			w.Errorf("the parent is %s with %s, want Running", s.RuntimeStatus, s.Output)
		}
		w.raise("second", "Go", "new")
		if got := w.completed(id); got != `"new"` {
			w.Errorf("output = %s, want \"new\"", got)
		}
		w.settle()
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
	})
}

func TestG81_LastOfTwoCallsWinsAndTheCodeRunsToItsEnd(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Mark", func(_ context.Context, name string) (string, error) {
			w.mark(name)
			return name, nil
		})
		perdure.AddOrchestrator(app, "Twice", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			if in != "first" {
				return in, nil
			}
			if err := errors.Join(ctx.ContinueAsNew("second"), ctx.ContinueAsNew("third")); err != nil {
				return "", err
			}
			if _, err := perdure.ActivityRef[string, string]("Mark").Call(ctx, "after").Await(); err != nil {
				return "", err
			}
			return "", perdure.SendEvent(ctx, "other", "Go", "from the end")
		})
		perdure.AddOrchestrator(app, "Other", waitForGo)
	}, func(w *world) {
		w.mustStart("Other", "", client.StartOptions{ID: "other"})
		if got, want := w.run("Twice", "first"), `"third"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		if n := w.marked("after"); n != 1 {
			w.Errorf("the activity after the call ran %d times, want 1", n)
		}
		if got, want := w.completed("other"), `"from the end"`; got != want {
			w.Errorf("the event sent after the call brought %s, want %s", got, want)
		}
	})
}

func TestG82_BufferedEventsAreKeptOrDiscardedAsAsked(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Buffer", func(ctx *perdure.OrchestrationContext, mode string) ([]string, error) {
			if mode != "" {
				if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
					return nil, err
				}
				if mode == "discard" {
					return nil, ctx.ContinueAsNew("", perdure.DiscardEvents())
				}
				return nil, ctx.ContinueAsNew("")
			}
			var items []string
			for len(items) == 0 || items[len(items)-1] != "end" {
				item, err := perdure.WaitForExternalEvent[string](ctx, "Item").Await()
				if err != nil {
					return nil, err
				}
				items = append(items, item)
			}
			return items, nil
		})
	}, func(w *world) {
		for mode, want := range map[string]string{"preserve": `["1","2","3","end"]`, "discard": `["end"]`} {
			id := w.mustStart("Buffer", mode, client.StartOptions{})
			for _, item := range []string{"1", "2", "3"} {
				w.raise(id, "Item", item)
			}
			w.settle()
			w.crash()
			w.raise(id, "Go", nil)
			w.settle()
			w.crash()
			w.raise(id, "Item", "end")
			if got := w.completed(id); got != want {
				w.Errorf("%s: output = %s, want %s", mode, got, want)
			}
		}
	})
}

func TestG83_CustomStatusPersistsUntilItIsCleared(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Shower", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			switch n {
			case 0:
				if err := ctx.SetCustomStatus(map[string]int{"shown": 1}); err != nil {
					return 0, err
				}
			case 2:
				if err := ctx.SetCustomStatus(nil); err != nil {
					return 0, err
				}
			}
			if _, err := perdure.WaitForExternalEvent[string](ctx, "Step").Await(); err != nil {
				return 0, err
			}
			return n, ctx.ContinueAsNew(n + 1)
		})
	}, func(w *world) {
		id := w.mustStart("Shower", 0, client.StartOptions{})
		for n, want := range []string{`{"shown":1}`, `{"shown":1}`, ""} {
			w.settle()
			if s := w.status(id); string(s.CustomStatus) != want || string(s.Input) != fmt.Sprint(n) {
				w.Errorf("execution %s: custom status = %q, want %q in execution %d", s.Input, s.CustomStatus, want, n)
			}
			w.raise(id, "Step", nil)
		}
	})
}

func TestG84_CreatedTimeIsTheInstances(t *testing.T) {
	contract(t, addStepper, func(w *world) {
		id := w.mustStart("Stepper", 0, client.StartOptions{})
		w.settle()
		before := w.status(id)
		time.Sleep(time.Hour)
		w.raise(id, "Step", nil)
		w.settle()
		after := w.status(id)
		if !after.CreatedAt.Equal(before.CreatedAt) {
			w.Errorf("CreatedAt went from %s to %s, want no change", before.CreatedAt, after.CreatedAt)
		}
		if !after.UpdatedAt.After(before.UpdatedAt) {
			w.Errorf("UpdatedAt went from %s to %s, want a later time", before.UpdatedAt, after.UpdatedAt)
		}
	})
}

func TestG85_TenThousandExecutionsInARow(t *testing.T) {
	const many = 10_000
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Eternal", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			w.mark("executions")
			switch n {
			case many / 2:
				return n, errors.Join(perdure.SendEvent(ctx, "half", "Go", "half"), ctx.ContinueAsNew(n+1))
			case many:
				return n, errors.Join(perdure.SendEvent(ctx, "full", "Go", "full"), ctx.ContinueAsNew(n+1))
			}
			return n, ctx.ContinueAsNew(n + 1)
		})
		perdure.AddOrchestrator(app, "Signal", waitForGo)
	}, func(w *world) {
		w.mustStart("Signal", "", client.StartOptions{ID: "half"})
		w.mustStart("Signal", "", client.StartOptions{ID: "full"})
		id := w.mustStart("Eternal", 0, client.StartOptions{})
		w.completed("half") // which nobody could see if others made no progress
		if n := w.records(id); n > 2 {
			w.Errorf("after %d executions the store holds %d records of the instance, want at most 2", many/2, n)
		}
		w.mustStart("Signal", "", client.StartOptions{ID: "other"})
		w.raise("other", "Go", "on")
		if got := w.completed("other"); got != `"on"` {
			w.Errorf("output of the other instance = %s, want \"on\"", got)
		}
		w.completed("full")
		if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Reason: "enough"}); err != nil {
			w.Fatalf("Terminate = %v", err)
		}
		if got := string(w.ended(id, history.Terminated).Output); got != `"enough"` {
			w.Errorf("output = %s, want \"enough\"", got)
		}
		w.settle()
		executions := w.marked("executions")
		if executions <= many {
			w.Errorf("there were %d executions, want more than %d", executions, many)
		}
		if n := w.records(id); n > 2 {
			w.Errorf("after %d executions the store holds %d records of the instance, want at most 2", executions, n)
		}
		time.Sleep(time.Hour)
		w.settle()
		if n := w.marked("executions"); n != executions {
			w.Errorf("%d more executions after the end, want none", n-executions)
		}
	})
}

func TestG86_FailingAfterTheCallFails(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		fail := func(end func() error) func(*perdure.OrchestrationContext, string) (string, error) {
			return func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
				if err := ctx.ContinueAsNew("next"); err != nil {
					return "", err
				}
				w.mark("runs")
				return "", end()
			}
		}
		perdure.AddOrchestrator(app, "Returns", fail(func() error { return errors.New("broken") }))
		perdure.AddOrchestrator(app, "Panics", fail(func() error { panic("broken") }))
	}, func(w *world) {
		for i, name := range []string{"Returns", "Panics"} {
			id := w.mustStart(name, "first", client.StartOptions{})
			if s := w.ended(id, history.Failed); s.Failure == nil || s.Failure.Message != "broken" || string(s.Input) != `"first"` {
				w.Errorf("%s: failure = %+v with input %s, want broken with \"first\"", name, s.Failure, s.Input)
			}
			w.settle()
			if n := w.marked("runs"); n != int64(i+1) {
				w.Errorf("%s: the code ran %d times, want once", name, n-int64(i))
			}
		}
	})
}

func TestG87_TerminateRacingWithTheCallTerminates(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Racer", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			if w.mark("executions"); n > 0 {
				return n, nil
			}
			if err := ctx.ContinueAsNew(n + 1); err != nil {
				return n, err
			}
			// A client's call while the turn runs.
			return n, w.Terminate(context.Background(), ctx.InstanceID(), client.TerminateOptions{Reason: "stop"})
		})
	}, func(w *world) {
		id := w.mustStart("Racer", 0, client.StartOptions{})
		if got := string(w.ended(id, history.Terminated).Output); got != `"stop"` {
			w.Errorf("output = %s, want \"stop\"", got)
		}
		w.settle()
		if n := w.marked("executions"); n != 1 {
			w.Errorf("%d executions ran, want 1: the next one is terminated before it does", n)
		}
	})
}

func TestG88_NewVersionIsVisibleToTheNextExecution(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Versioned", func(ctx *perdure.OrchestrationContext, seen []string) ([]string, error) {
			seen = append(seen, ctx.Version())
			switch len(seen) {
			case 1:
				return nil, ctx.ContinueAsNew(seen, perdure.NewVersion("2.0"))
			case 2:
				return nil, ctx.ContinueAsNew(seen)
			}
			return seen, nil
		})
	}, func(w *world) {
		id := w.mustStart("Versioned", []string{}, client.StartOptions{Version: "1.0"})
		if got, want := w.completed(id), `["1.0","2.0","2.0"]`; got != want {
			w.Errorf("versions seen = %s, want %s", got, want)
		}
		if got := w.status(id).Version; got != "2.0" {
			w.Errorf("version of the instance = %q, want 2.0", got)
		}
	})
}

func TestG89_CountersRestartAndGUIDsStillDiffer(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Echo", func(_ context.Context, in string) (string, error) { return in, nil })
		perdure.AddOrchestrator(app, "Counter", func(ctx *perdure.OrchestrationContext, before []string) ([]string, error) {
			for range 3 {
				guid, err := perdure.ActivityRef[string, string]("Echo").Call(ctx, ctx.NewGUID()).Await()
				if err != nil {
					return nil, err
				}
				before = append(before, guid)
			}
			if len(before) < 9 {
				return nil, ctx.ContinueAsNew(before)
			}
			return before, nil
		})
	}, func(w *world) {
		id := w.mustStart("Counter", []string{}, client.StartOptions{})
		guids, err := client.Result[[]string](w.ended(id, history.Completed))
		if err != nil || len(guids) != 9 {
			w.Fatalf("output = %q, %v; want 9 guids", guids, err)
		}
		seen := make(map[string]bool)
		for _, guid := range guids {
			if seen[guid] {
				w.Errorf("guid %s came twice: %q", guid, guids)
			}
			seen[guid] = true
		}
		var ids []int32
		for _, ev := range w.history(id) {
			if ev.Kind.Scheduling() || ev.Kind == history.ExecutionCompleted {
				ids = append(ids, ev.ID)
			}
		}
		if diff := cmp.Diff([]int32{0, 1, 2, 3}, ids); diff != "" {
			w.Errorf("sequence ids of the last execution (-want +got):\n%s", diff)
		}
	})
}
