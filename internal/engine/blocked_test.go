package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestBlockedTurnsDoNotStopTheHub(t *testing.T) {
	for _, blockedTurns := range []int{20, 200} {
		t.Run(fmt.Sprint(blockedTurns), func(t *testing.T) { testBlockedTurns(t, blockedTurns) })
	}
}

func testBlockedTurns(t *testing.T, turns int) {
	contract(t, func(w *world, app *perdure.App) {
		w.options.MaxOrchestrators = 20
		w.release = make(chan struct{})
		perdure.AddOrchestrator(app, "Stuck", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
			<-w.release
			return perdure.ActivityRef[int, string]("After").Call(ctx, 0).Await()
		})
		perdure.AddOrchestrator(app, "Good", func(_ *perdure.OrchestrationContext, s string) (string, error) { return s, nil })
		perdure.AddActivity(app, "After", func(context.Context, int) (string, error) { w.mark("after"); return "", nil })
	}, func(w *world) {
		ctx := context.Background()
		for i := range turns {
			w.mustStart("Stuck", 0, client.StartOptions{ID: history.InstanceID(fmt.Sprint("stuck", i))})
		}
		w.ended(w.mustStart("Good", "ok", client.StartOptions{}), history.Completed)
		time.Sleep(time.Minute)
		if n := w.told.count("an orchestrator does not come back"); n != turns {
			w.Errorf("the log tells %d times of code that does not come back; want once for each of %d", n, turns)
		}
		if n := w.told.count("blocked_test.go:"); n != turns {
			w.Errorf("%d log lines name the place; want %d", n, turns)
		}
		x, err := w.Explain(ctx, "stuck0")
		if err != nil || x.Action != "terminate" || !strings.Contains(x.Summary, `"Stuck"`) || !strings.Contains(x.Summary, "blocked_test.go:") {
			w.Errorf("Explain(stuck0) = %+v, %v; want it to say where it is", x, err)
		}
		if _, err := w.Purge(ctx, "stuck0", client.PurgeOptions{}); err == nil {
			w.Error("Purge(stuck0) without force succeeded; want it refused")
		}
		if err := w.Terminate(ctx, "stuck0", client.TerminateOptions{Reason: "enough", Wait: true}); err != nil {
			w.Errorf("Terminate(stuck0) = %v", err)
		}
		w.ended("stuck0", history.Terminated)
		if result, err := w.Purge(ctx, "stuck1", client.PurgeOptions{Force: true}); err != nil || result.Deleted != 1 {
			w.Errorf("Purge(stuck1, force) = %+v, %v; want it deleted", result, err)
		}
		w.mustStart("Good", "anew", client.StartOptions{ID: "stuck1"})
		w.ended("stuck1", history.Completed)
		if n := w.told.count("user code is left behind"); n != 2 {
			w.Errorf("the log tells %d times of code that is left behind; want 2", n)
		}
		close(w.release)
		w.settle()
		if n := w.marked("after"); n != int64(turns-2) {
			w.Errorf("%d activities ran after the block, want %d: what was left behind asks for nothing", n, turns-2)
		}
		w.is("stuck0", history.Terminated)
	})
}

func TestBlockedDeferredFunctionsDelayNobody(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		w.release = make(chan struct{})
		perdure.AddOrchestrator(app, "Defers", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
			defer func() { <-w.release }()
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
	}, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Defers", 0, client.StartOptions{})
		w.settle()
		began := time.Now()
		w.terminate(id, client.TerminateOptions{Reason: "enough", Wait: true})
		if took := time.Since(began); took > time.Second {
			w.Errorf("Terminate(Wait) took %v; want it not to wait for deferred functions", took)
		}
		time.Sleep(time.Minute)
		if n := w.told.count("deferred functions do not come back"); n < 1 {
			w.Error("the log does not tell of deferred functions that do not come back")
		} else if w.told.count("blocked_test.go:") != n {
			w.Error("the log does not tell where they are")
		}
		if x, err := w.Explain(ctx, history.InstanceID(id)); err != nil || !strings.Contains(x.Summary, "deferred functions have not come back") || !strings.Contains(x.Summary, "blocked_test.go:") {
			w.Errorf("Explain = %+v, %v; want it to tell of the deferred functions", x, err)
		}
		close(w.release)
	})
}

func TestStopIsBoundedWhateverUserCodeDoes(t *testing.T) {
	for _, name := range []string{"Turn", "Defer", "Activity"} {
		t.Run(name, func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				if w.release == nil { // the first time
					w.release = make(chan struct{})
				}
				w.options.DrainTimeout = time.Second
				perdure.AddOrchestrator(app, "Turn", func(ctx *perdure.OrchestrationContext, _ int) (int, error) { <-w.release; return 0, nil })
				perdure.AddOrchestrator(app, "Defer", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
					defer func() { <-w.release }()
					return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
				})
				perdure.AddOrchestrator(app, "Activity", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
					return perdure.ActivityRef[int, int]("Deaf").Call(ctx, 0).Await()
				})
				perdure.AddActivity(app, "Deaf", func(context.Context, int) (int, error) { <-w.release; return 0, nil })
			}, func(w *world) {
				w.mustStart(name, 0, client.StartOptions{ID: "x"})
				time.Sleep(10 * time.Millisecond)
				began := time.Now()
				w.store.dead.Store(true) // nothing is stored any more, and the end may be an error
				w.end()
				w.worker.Close()
				if took := time.Since(began); took > 3*time.Second {
					w.Errorf("stop took %v; want DrainTimeout and 2 s at most", took)
				}
				close(w.release)
				w.start()
			})
		})
	}
}

func TestStopNamesOnlyWhatRuns(t *testing.T) {
	const blocked, idle = 13, 20
	contract(t, func(w *world, app *perdure.App) {
		if w.release == nil { // the first time
			w.release = make(chan struct{})
		}
		w.options.DrainTimeout = time.Second
		perdure.AddOrchestrator(app, "Idle", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
		perdure.AddOrchestrator(app, "Defer", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
			defer func() { <-w.release }()
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
	}, func(w *world) {
		for i := range max(blocked, idle) {
			if i < blocked {
				w.mustStart("Defer", 0, client.StartOptions{})
			}
			w.mustStart("Idle", 0, client.StartOptions{})
		}
		w.settle()
		began := time.Now()
		w.store.dead.Store(true) // the end is an error
		w.end()
		w.worker.Close()
		if took := time.Since(began); took > 3*time.Second {
			w.Errorf("stop took %v; want DrainTimeout and 2 s at most", took)
		}
		if n := w.told.count("deferred functions of orchestrator Defer of instance"); n != 1 || w.told.count("user code does not return") != 1 {
			w.Errorf("%d lines name the deferred functions; want one", n)
		}
		if w.told.count(fmt.Sprintf("and %d more", blocked-10)) != 1 || w.told.count("orchestrator Idle") != 0 {
			w.Error("the end does not name ten of the code that runs, and how much more")
		}
		close(w.release)
		w.start()
	})
}

func TestBlockedInstanceTakesWhatOthersTake(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		if w.release == nil { // the first time
			w.release = make(chan struct{})
		}
		perdure.AddOrchestrator(app, "Stuck", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			<-w.release
			sum := 0
			for range 4 {
				text, err := perdure.WaitForExternalEvent[string](ctx, "E").Await()
				if err != nil {
					return 0, err
				}
				sum += len(text)
			}
			return sum, nil
		})
	}, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Stuck", 0, client.StartOptions{ID: "x"})
		large := strings.Repeat("x", 100<<10)
		w.raise(id, "E", large) // which is not yet known to be blocked
		time.Sleep(10 * time.Second)
		w.raise(id, "E", "small")
		w.raise(id, "E", large)
		if err := w.Raise(ctx, history.InstanceID(id), "E", large, client.WithIdempotencyKey("key")); err != nil {
			w.Errorf("an event with a key for a blocked instance = %v; want it taken", err)
		}
		if _, err := w.Start(ctx, "Stuck", 0, client.StartOptions{ID: history.InstanceID(id)}); !errors.Is(err, client.ErrAlreadyExists) {
			w.Errorf("Start with the id of a blocked instance = %v; want %v", err, client.ErrAlreadyExists)
		}
		if _, err := w.Start(ctx, "Stuck", 0, client.StartOptions{ID: history.InstanceID(id), Reuse: client.ReturnExisting}); err != nil {
			w.Errorf("Start(ReturnExisting) with the id of a blocked instance = %v; want it returned", err)
		}
		w.store.kill() // what was accepted is stored
		close(w.release)
		w.stop()
		w.start()
		if got, want := w.completed(id), fmt.Sprint(3*len(large)+len("small")); got != want {
			w.Errorf("the events add up to %s, want %s: each was accepted", got, want)
		}
	})
}

func TestActivitiesThatHoldAllSlotsAreTold(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		w.release = make(chan struct{})
		w.options.MaxActivities = 2
		perdure.AddOrchestrator(app, "Call", func(ctx *perdure.OrchestrationContext, name string) (int, error) {
			return perdure.ActivityRef[int, int](name).Call(ctx, 0).Await()
		})
		perdure.AddActivity(app, "Deaf", func(context.Context, int) (int, error) { <-w.release; return 0, nil })
		perdure.AddActivity(app, "Quick", func(context.Context, int) (int, error) { return 7, nil })
	}, func(w *world) {
		ctx := context.Background()
		w.mustStart("Call", "Deaf", client.StartOptions{ID: "a"})
		w.mustStart("Call", "Deaf", client.StartOptions{ID: "b"})
		w.settle()
		w.mustStart("Call", "Quick", client.StartOptions{ID: "c"})
		time.Sleep(50 * time.Second)
		if n := w.told.count("all slots are taken"); n != 1 || w.told.count("Deaf (2)") != 1 {
			w.Errorf("the log tells %d times that all slots are taken; want once, with what holds them", n)
		}
		if x, err := w.Explain(ctx, "c"); err != nil || len(x.Waits) != 1 || !strings.Contains(x.Waits[0].Problem, "Deaf (2)") {
			w.Errorf("Explain(c) = %+v, %v; want what holds the slots", x, err)
		}
		time.Sleep(time.Minute)
		if n := w.told.count("an activity takes long"); n != 2 || w.told.count("blocked_test.go:") != 2 {
			w.Errorf("the log tells %d times that an activity takes long; want once for each, with the place", n)
		}
		if x, err := w.Explain(ctx, "a"); err != nil || !strings.Contains(x.Waits[0].Problem, "blocked_test.go:") {
			w.Errorf("Explain(a) = %+v, %v; want where it is", x, err)
		}
		w.terminate("a", client.TerminateOptions{Wait: true})
		w.ended("c", history.Completed)
		w.settle()
		if n := w.told.count("user code is left behind"); n != 1 {
			w.Errorf("the log tells %d times of code that is left behind; want once", n)
		}
		close(w.release)
		w.ended("b", history.Completed)
	})
}
