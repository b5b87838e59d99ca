package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/worker"
)

var _ engine.Executor = (*worker.Worker)(nil)

func open(t *testing.T, add func(app *perdure.App)) *worker.Worker {
	t.Helper()
	app := perdure.New()
	add(app)
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func turn(events ...history.Event) history.Turn {
	return history.Turn{Seq: 1, At: history.NewNumber(1e15, 0).CreatedAt(), Events: events}
}

// work is a turn of the instance with that number, which runs Main.
func work(number history.Number, past []history.Turn, next history.Turn) history.Work {
	return history.Work{
		Instance: history.Instance{Number: number, ID: "abc", ExecutionID: "e0", Name: "main"},
		Turn:     next, PastTurns: len(past),
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range past {
					if !yield(turn, nil) {
						return
					}
				}
			}
		},
	}
}

var (
	started  = history.Event{Kind: history.ExecutionStarted, Started: &history.Started{}}
	answered = history.Event{Kind: history.TaskCompleted, TaskID: 0}
	asked    = history.Event{Kind: history.TaskScheduled, ID: 0, Name: "Far"}
)

const far = perdure.ActivityRef[int, int]("Far")

func TestNewReportsRegistrationMistakes(t *testing.T) {
	app := perdure.New()
	perdure.AddActivity(app, "", func(context.Context, int) (int, error) { return 0, nil })
	if _, err := worker.New(app, worker.Options{}); err == nil {
		t.Error("New(app with a mistake) = nil; want the mistake")
	}
}

func TestUnregistered(t *testing.T) {
	w := open(t, func(app *perdure.App) {
		perdure.AddOrchestrator(app, "Known", func(*perdure.OrchestrationContext, int) (int, error) { return 0, nil })
	})
	_, err := w.Orchestrate(t.Context(), work(1, nil, turn(started)))
	if !errors.Is(err, history.ErrUnregistered) || !strings.Contains(err.Error(), `"main"`) || !strings.Contains(err.Error(), "Known") {
		t.Errorf("Orchestrate(main) = %v; want ErrUnregistered that names main and Known", err)
	}
	_, _, err = runActivity(t.Context(), w, history.Task{Name: "Far"})
	if !errors.Is(err, history.ErrUnregistered) || !strings.Contains(err.Error(), `"Far"`) {
		t.Errorf("RunActivity(Far) = %v; want ErrUnregistered that names Far", err)
	}
	if diff := cmp.Diff([]string{"Known"}, w.Orchestrators()); diff != "" {
		t.Errorf("Orchestrators() differs (-want +got):\n%s", diff)
	}
}

func TestSessionIsUsedOnlyWhereItFits(t *testing.T) {
	starts := 0
	w := open(t, func(app *perdure.App) {
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			starts++
			for {
				if _, err := far.Call(ctx, n).Await(); err != nil {
					return 0, err
				}
			}
		})
	})
	first := turn(started)
	past := []history.Turn{turn(started, asked)}
	second := work(1, past, turn(answered))
	other := second
	other.Instance.ExecutionID = "e1"
	run := func(w1 history.Work, wantStarts int, why string) {
		t.Helper()
		out, err := w.Orchestrate(t.Context(), w1)
		if err != nil || len(out.Actions) != 1 || starts != wantStarts {
			t.Errorf("%s: Orchestrate = %+v, %v with the code started %d times; want one action, %d", why, out, err, starts, wantStarts)
		}
	}
	run(work(1, nil, first), 1, "first turn")
	run(second, 1, "second turn, kept")
	run(second, 2, "second turn again: the commit was lost")
	run(other, 3, "another execution")
	w.Forget(1)
	run(second, 4, "after Forget")
	run(work(2, nil, first), 5, "another instance")
}

func TestFinishedAndBrokenSessionsAreDropped(t *testing.T) {
	for _, policy := range []perdure.NonDeterminismPolicy{perdure.FailInstance, perdure.ParkInstance} {
		w := open(t, func(app *perdure.App) {
			app.OnNonDeterminism(policy)
			perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) { return n, nil })
		})
		for range 2 {
			out, err := w.Orchestrate(t.Context(), work(1, nil, turn(started)))
			if err != nil || len(out.Actions) != 1 {
				t.Errorf("Orchestrate(one turn) = %+v, %v; want the end, each time", out, err)
			}
			out, err = w.Orchestrate(t.Context(), work(1, []history.Turn{turn(started, asked)}, turn(answered)))
			switch {
			case policy == perdure.ParkInstance && !errors.Is(err, history.ErrParked):
				t.Errorf("Orchestrate(misfit) = %+v, %v; want ErrParked", out, err)
			case policy == perdure.FailInstance && (err != nil || out.Actions[0].Failure.Type != history.FailureNonDeterministic):
				t.Errorf("Orchestrate(misfit) = %+v, %v; want %s", out, err, history.FailureNonDeterministic)
			}
		}
	}
}

// Whatever ends the code, its deferred functions are unloaded where they are seen if
// they do not come back.
func TestDeferredFunctionsOfMisfitsAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := open(t, func(app *perdure.App) {
			perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
				defer func() { <-release }()
				return far.Call(ctx, n).Await()
			})
		})
		other := history.Event{Kind: history.TaskScheduled, ID: 0, Name: "Other"}
		began := time.Now()
		out, err := w.Orchestrate(t.Context(), work(1, []history.Turn{turn(started, other)}, turn(answered)))
		if !errors.Is(err, history.ErrParked) || time.Since(began) != 0 {
			t.Errorf("Orchestrate(misfit) = %+v, %v after %v; want ErrParked at once", out, err, time.Since(began))
		}
		if n := len(w.Unwinding()); n != 1 {
			t.Errorf("%d instances unwind; want the misfit to", n)
		}
		close(release)
		synctest.Wait()
		if n := len(w.Unwinding()); n != 0 {
			t.Errorf("%d instances unwind after that has ended", n)
		}
	})
}

// A turn that comes back just before it is left behind leaves no code in memory.
func TestLeaveUnloadsWhatHasComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unloaded := false
		w := open(t, func(app *perdure.App) {
			perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
				defer func() { unloaded = true }()
				return far.Call(ctx, n).Await()
			})
		})
		if _, err := w.Orchestrate(t.Context(), work(1, nil, turn(started))); err != nil {
			t.Errorf("Orchestrate = %v", err)
		}
		w.Leave(1)
		synctest.Wait()
		if !unloaded {
			t.Error("Leave(1) unloads nothing")
		}
	})
}

func TestForgetAndCloseUnload(t *testing.T) {
	unloaded := make(chan struct{}, 3)
	w := open(t, func(app *perdure.App) {
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			defer func() { unloaded <- struct{}{} }()
			return far.Call(ctx, n).Await()
		})
	})
	for number := range history.Number(3) {
		if _, err := w.Orchestrate(t.Context(), work(number+1, nil, turn(started))); err != nil {
			t.Fatal(err)
		}
	}
	w.Forget(1)
	w.Forget(1)
	w.Forget(99)
	<-unloaded // by itself
	if w.Close(); len(unloaded) != 2 {
		t.Errorf("Close() unloaded %d instances; want the other two", len(unloaded))
	}
	if _, err := w.Orchestrate(t.Context(), work(1, nil, turn(started))); err != worker.ErrClosed {
		t.Errorf("Orchestrate(closed) = %v; want %v", err, worker.ErrClosed)
	}
}

// Forget may come at any moment; the race detector watches.
func TestForgetWhileTurnsRun(t *testing.T) {
	w := open(t, func(app *perdure.App) {
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (int, error) { return far.Call(ctx, n).Await() })
	})
	var group sync.WaitGroup
	group.Go(func() {
		for range 200 {
			w.Forget(1)
		}
	})
	past := []history.Turn{turn(started, asked)}
	for range 100 {
		if _, err := w.Orchestrate(t.Context(), work(1, nil, turn(started))); err != nil {
			t.Error(err)
		}
		if out, err := w.Orchestrate(t.Context(), work(1, past, turn(answered))); err != nil || len(out.Actions) != 1 {
			t.Errorf("Orchestrate = %+v, %v; want the end", out, err)
		}
	}
	group.Wait()
}

// runActivity runs an activity on a goroutine that it may exit.
func runActivity(ctx context.Context, w *worker.Worker, task history.Task) (result json.RawMessage, failure *history.Failure, err error) {
	var end sync.WaitGroup
	end.Go(func() {
		calls := 0
		defer func() {
			if calls != 1 {
				err = fmt.Errorf("done was called %d times, want once; %w", calls, err)
			}
		}()
		w.RunActivity(ctx, task, func(r json.RawMessage, f *history.Failure, e error) {
			calls++
			result, failure, err = r, f, e
		})
	})
	end.Wait()
	return result, failure, err
}

func TestRunActivity(t *testing.T) {
	boom := errors.New("boom")
	w := open(t, func(app *perdure.App) {
		perdure.AddActivity(app, "Double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		perdure.AddActivity(app, "Fail", func(context.Context, int) (int, error) { return 0, perdure.NonRetriable(boom) })
		perdure.AddActivity(app, "Panic", func(context.Context, int) (int, error) { panic(boom) })
		perdure.AddActivity(app, "Exit", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
		perdure.AddActivity(app, "Func", func(context.Context, int) (func(), error) { return func() {}, nil })
		perdure.AddActivity(app, "Info", func(ctx context.Context, _ int) (perdure.ActivityInfo, error) {
			info, _ := perdure.ActivityInfoFrom(ctx)
			return info, nil
		})
	})
	for _, test := range []struct {
		name, input, result, failure, message string
	}{
		{"double", "21", "42", "", ""},
		{"double", "null", "0", "", ""},
		{"double", `"x"`, "", "*perdure.ConversionError", "input of activity Double"},
		{"Fail", "1", "", "*errors.errorString", "boom"},
		{"Panic", "1", "", history.FailurePanic, "boom"},
		{"Exit", "1", "", history.FailurePanic, "Goexit"},
		{"Func", "1", "", "*perdure.ConversionError", "func()"},
		{"Info", "", `{"InstanceID":"abc","ExecutionID":"e0","TaskID":3,"Name":"Info","Attempt":2,"IdempotencyToken":"abc/e0/3"}`, "", ""},
	} {
		task := history.Task{Instance: "abc", ExecutionID: "e0", ID: 3, Name: test.name, Input: json.RawMessage(test.input), Attempt: 2}
		result, failure, err := runActivity(t.Context(), w, task)
		switch {
		case err != nil || string(result) != test.result:
			t.Errorf("RunActivity(%s, %s) = %s, %v, %v; want %s", test.name, test.input, result, failure, err, test.result)
		case (failure == nil) != (test.failure == ""):
			t.Errorf("RunActivity(%s, %s) failed with %v; want %q", test.name, test.input, failure, test.failure)
		case failure != nil && (failure.Type != test.failure || !strings.Contains(failure.Message, test.message)):
			t.Errorf("RunActivity(%s, %s) failed with %v; want %s: %s", test.name, test.input, failure, test.failure, test.message)
		}
	}
}

func TestActivityThatFailsAfterItsContextEnded(t *testing.T) {
	leaving := errors.New("shutting down")
	w := open(t, func(app *perdure.App) {
		perdure.AddActivity(app, "Wait", func(ctx context.Context, result int) (int, error) {
			<-ctx.Done()
			if result > 0 {
				return result, nil
			}
			return 0, ctx.Err()
		})
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(leaving)
	if _, failure, err := runActivity(ctx, w, history.Task{Name: "Wait"}); !errors.Is(err, leaving) || failure != nil {
		t.Errorf("RunActivity(ended, fails) = %v, %v; want the cause, %v", failure, err, leaving)
	}
	if result, failure, err := runActivity(ctx, w, history.Task{Name: "Wait", Input: json.RawMessage("7")}); string(result) != "7" || failure != nil || err != nil {
		t.Errorf("RunActivity(ended, succeeds) = %s, %v, %v; want 7", result, failure, err)
	}
}
