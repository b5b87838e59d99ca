package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// sleeper waits and returns for how long it did.
func sleeper(ctx *perdure.OrchestrationContext, d time.Duration) (time.Duration, error) {
	begun := ctx.Now()
	_, err := ctx.CreateTimer(d).Await()
	return ctx.Now().Sub(begun), err
}

func addSleeper(_ *world, app *perdure.App) { perdure.AddOrchestrator(app, "Sleeper", sleeper) }

// slept returns what a sleeper that has to be done by now measured.
func (w *world) slept(id string) time.Duration {
	w.Helper()
	w.settle()
	if s := w.status(id); s.RuntimeStatus != history.Completed {
		w.Fatalf("%s is %s at %s, want Completed", id, s.RuntimeStatus, time.Now())
	}
	d, err := client.Result[time.Duration](w.status(id))
	if err != nil {
		w.Fatalf("result of %s: %v", id, err)
	}
	return d
}

// storedTimers returns how many timers the store holds.
func (w *world) storedTimers() int {
	w.Helper()
	n := 0
	for p := range w.inner.Partitions() {
		timers, err := w.inner.Timers(context.Background(), p, store.Timer{}, time.Now().AddDate(100, 0, 0), 1_000_000)
		if err != nil {
			w.Fatalf("read timers of %d: %v", p, err)
		}
		n += len(timers)
	}
	return n
}

// timerTolerance is how late a timer may be. Nothing computes for any time here.
const timerTolerance = 10 * time.Millisecond

func TestE55_TimerFiresNotBeforeItIsDueAndSoonAfter(t *testing.T) {
	contract(t, addSleeper, func(w *world) {
		id := w.mustStart("Sleeper", 2*time.Second, client.StartOptions{})
		time.Sleep(2*time.Second - timerTolerance)
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Running {
			w.Errorf("the sleeper is %s before its time, want Running", s.RuntimeStatus)
		}
		time.Sleep(2 * timerTolerance)
		if d := w.slept(id); d < 2*time.Second || d > 2*time.Second+timerTolerance {
			w.Errorf("the sleeper slept for %s, want 2s", d)
		}
	})
}

func TestE56_TimerInThePastFiresInTheNextTurn(t *testing.T) {
	contract(t, addSleeper, func(w *world) {
		id := w.mustStart("Sleeper", -time.Hour, client.StartOptions{})
		if d := w.slept(id); d <= 0 || d > timerTolerance {
			w.Errorf("the sleeper slept for %s, want next to nothing", d)
		}
		if n := w.count(id, history.OrchestratorStarted); n != 2 {
			w.Errorf("the history has %d turns, want 2: one for the start, one for the timer", n)
		}
	})
}

func TestE57_TenThousandTimersOfOneInstantFireOnce(t *testing.T) {
	const n = 10_000
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Crowd", func(ctx *perdure.OrchestrationContext, at time.Time) (int, error) {
			tasks := make([]*perdure.Task[struct{}], n)
			for i := range tasks {
				tasks[i] = ctx.CreateTimerAt(at).Task
			}
			all, err := perdure.WhenAll(ctx, tasks...).Await()
			return len(all), err
		})
	}, func(w *world) {
		// One crowd is within the engine's window from its beginning, the other is
		// read from the index.
		for _, d := range []time.Duration{5 * time.Second, 10 * time.Minute} {
			id := w.mustStart("Crowd", time.Now().Add(d), client.StartOptions{})
			time.Sleep(d + timerTolerance)
			w.settle()
			if got, want := w.completed(id), fmt.Sprint(n); got != want {
				w.Errorf("timers of %s: output = %s, want %s", d, got, want)
			}
			fired := make(map[int32]int)
			for _, ev := range w.history(id) {
				if ev.Kind == history.TimerFired {
					fired[ev.TaskID]++
				}
			}
			for task, times := range fired {
				if times != 1 {
					w.Errorf("timers of %s: #%d fired %d times, want once", d, task, times)
				}
			}
			if len(fired) != n {
				w.Errorf("timers of %s: %d fired, want %d", d, len(fired), n)
			}
		}
	})
}

// The index is read in pages. A timer for the instant that a page ends with must
// not be lost when it sorts into the page but comes after it was read.
func TestE57_TimerThatJoinsACrowdFires(t *testing.T) {
	ids := samePartition("old", "crowd")
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Old", func(ctx *perdure.OrchestrationContext, _ string) (time.Time, error) {
			at, err := perdure.WaitForExternalEvent[time.Time](ctx, "At").Await()
			if err != nil {
				return at, err
			}
			_, err = ctx.CreateTimerAt(at).Await()
			return ctx.Now(), err
		})
		perdure.AddOrchestrator(app, "Crowd", func(ctx *perdure.OrchestrationContext, at time.Time) (string, error) {
			for range 5000 {
				ctx.CreateTimerAt(at)
			}
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
	}, func(w *world) {
		old := w.mustStart("Old", "", client.StartOptions{ID: history.InstanceID(ids[0])})
		time.Sleep(time.Second)
		at := time.Now().Add(10 * time.Minute)
		w.mustStart("Crowd", at, client.StartOptions{ID: history.InstanceID(ids[1])})
		time.Sleep(10*time.Minute - 5*time.Second)
		w.raise(old, "At", at)
		time.Sleep(10 * time.Second)
		w.settle()
		if s := w.status(old); s.RuntimeStatus != history.Completed {
			w.Errorf("the timer that joined the crowd has not fired: the instance is %s, want Completed", s.RuntimeStatus)
		}
	})
}

// samePartition returns names like the given ones whose instances are in one
// partition of a hub of the tests.
func samePartition(names ...string) []string {
	ids := make([]string, len(names))
	for i, name := range names {
		for k := 0; ids[i] == ""; k++ {
			if id := fmt.Sprint(name, k); history.PartitionOf(history.InstanceID(id), 4) == 0 {
				ids[i] = id
			}
		}
	}
	return ids
}

func TestE58_TimerOf400DaysIsOneTimer(t *testing.T) {
	const d = 400 * 24 * time.Hour
	contract(t, addSleeper, func(w *world) {
		begun := time.Now()
		id := w.mustStart("Sleeper", d, client.StartOptions{})
		w.settle()
		w.skew.Add(int64(d - time.Hour))
		w.crash()
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Running {
			w.Errorf("the sleeper is %s after %s, want Running", s.RuntimeStatus, d-time.Hour)
		}
		time.Sleep(time.Hour + timerTolerance)
		if got := w.slept(id); got < d || got > d+timerTolerance {
			w.Errorf("the sleeper slept for %s, want %s", got, d)
		}
		for _, ev := range w.history(id) {
			if due := begun.Add(d); ev.Kind == history.TimerCreated && (ev.FireAt.Before(due) || ev.FireAt.After(due.Add(timerTolerance))) {
				w.Errorf("TimerCreated is due at %s, want %s", ev.FireAt, due)
			}
		}
		if n := w.count(id, history.TimerCreated); n != 1 {
			w.Errorf("the history has %d TimerCreated, want 1", n)
		}
	})
}

// addCanceler adds an orchestrator that cancels a timer of a minute and then
// waits for Go, if asked to.
func addCanceler(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Canceler", func(ctx *perdure.OrchestrationContext, then string) (string, error) {
		timer := ctx.CreateTimer(time.Minute)
		if _, err := ctx.CreateTimer(time.Second).Await(); err != nil {
			return "", err
		}
		timer.Cancel()
		if _, err := timer.Await(); !errors.Is(err, perdure.ErrCanceled) {
			return "", fmt.Errorf("the cancelled timer ended with %v, want %v", err, perdure.ErrCanceled)
		}
		if then != "" {
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		}
		return "cancelled", nil
	})
}

func TestE59_CancelledTimerIsSeenAndNotWaitedFor(t *testing.T) {
	contract(t, addCanceler, func(w *world) {
		id := w.mustStart("Canceler", "", client.StartOptions{})
		time.Sleep(time.Second + timerTolerance)
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Completed || string(s.Output) != `"cancelled"` {
			w.Errorf("the instance is %s with %s, want Completed with \"cancelled\"", s.RuntimeStatus, s.Output)
		}
	})
}

func TestE60_LaterFiringOfACancelledTimerChangesNothing(t *testing.T) {
	contract(t, addCanceler, func(w *world) {
		id := w.mustStart("Canceler", "wait", client.StartOptions{})
		time.Sleep(2 * time.Second)
		w.settle()
		before := w.json(id)
		if n := w.storedTimers(); n != 0 {
			w.Errorf("the store holds %d timers, want none", n)
		}
		time.Sleep(5 * time.Minute)
		w.settle()
		if after := w.json(id); after != before {
			w.Errorf("the instance has changed:\n before %s\n after  %s", before, after)
		}
		w.crash()
		w.raise(id, "Go", "on")
		if got := w.completed(id); got != `"on"` {
			w.Errorf("output = %s, want \"on\"", got)
		}
		if n := w.count(id, history.TimerFired); n != 1 {
			w.Errorf("the history has %d TimerFired, want 1: of the timer that was not cancelled", n)
		}
	})
}

func TestE61_TimersSurviveACrash(t *testing.T) {
	contract(t, addSleeper, func(w *world) {
		begun := time.Now()
		soon := w.mustStart("Sleeper", time.Minute, client.StartOptions{})
		late := w.mustStart("Sleeper", 3*time.Hour, client.StartOptions{})
		w.settle()
		w.crashFor(2 * time.Hour)
		if d := w.slept(soon); d < 2*time.Hour-timerTolerance || d > 2*time.Hour+timerTolerance {
			w.Errorf("the overdue timer fired after %s, want 2h: as soon as there was a process", d)
		}
		time.Sleep(3*time.Hour - timerTolerance - time.Since(begun))
		w.settle()
		if s := w.status(late); s.RuntimeStatus != history.Running {
			w.Errorf("the timer of 3h has fired after %s: the sleeper is %s, want Running", time.Since(begun), s.RuntimeStatus)
		}
		time.Sleep(2 * timerTolerance)
		if d := w.slept(late); d < 3*time.Hour || d > 3*time.Hour+timerTolerance {
			w.Errorf("the timer of 3h fired after %s", d)
		}
	})
}

func TestE62_NowDoesNotDecreaseWhenTheClockDoes(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Watcher", func(ctx *perdure.OrchestrationContext, _ string) ([]time.Time, error) {
			times := []time.Time{ctx.Now()}
			for range 4 {
				if _, err := perdure.WaitForExternalEvent[string](ctx, "Tick").Await(); err != nil {
					return nil, err
				}
				times = append(times, ctx.Now())
			}
			return times, nil
		})
	}, func(w *world) {
		id := w.mustStart("Watcher", "", client.StartOptions{})
		for i := range 4 {
			time.Sleep(time.Second)
			w.settle()
			if i%2 == 0 {
				w.skew.Add(-int64(time.Hour))
				w.crash()
			}
			w.raise(id, "Tick", nil)
		}
		times, err := client.Result[[]time.Time](w.ended(id, history.Completed))
		if err != nil || len(times) != 5 {
			w.Fatalf("output = %v, %v, want 5 times", times, err)
		}
		for i := 1; i < len(times); i++ {
			if times[i].Before(times[i-1]) {
				w.Errorf("now went from %s to %s", times[i-1], times[i])
			}
		}
		var last time.Time
		for _, ev := range w.history(id) {
			if ev.Kind == history.OrchestratorStarted {
				if !ev.At.After(last) {
					w.Errorf("a turn of %s follows one of %s", ev.At, last)
				}
				last = ev.At
			}
		}
	})
}

// addLeavers adds orchestrators that return, or fail, with a timer of an hour
// outstanding.
func addLeavers(_ *world, app *perdure.App) {
	leave := func(ctx *perdure.OrchestrationContext, message string) (string, error) {
		ctx.CreateTimer(time.Hour)
		if message != "" {
			return "", errors.New(message)
		}
		return "left", nil
	}
	perdure.AddOrchestrator(app, "AtOnce", leave)
	perdure.AddOrchestrator(app, "Patient", leave, perdure.AwaitOutstanding())
}

func TestE63_ReturningWithATimerOutstanding(t *testing.T) {
	contract(t, addLeavers, func(w *world) { w.checkLeaving("", history.Completed, "left") })
}

func TestE64_FailingWithATimerOutstanding(t *testing.T) {
	contract(t, addLeavers, func(w *world) { w.checkLeaving("broken", history.Failed, "broken") })
}

func (w *world) checkLeaving(message string, status history.RuntimeStatus, output string) {
	w.Helper()
	output = fmt.Sprintf("%q", output)
	atOnce := w.mustStart("AtOnce", message, client.StartOptions{})
	patient := w.mustStart("Patient", message, client.StartOptions{})
	w.settle()
	if s := w.status(atOnce); s.RuntimeStatus != status || string(s.Output) != output {
		w.Errorf("by default the instance is %s with %s, want %s with %s at once", s.RuntimeStatus, s.Output, status, output)
	}
	if n := w.storedTimers(); n != 1 {
		w.Errorf("the store holds %d timers, want 1: of the instance that awaits its own", n)
	}
	time.Sleep(time.Hour - timerTolerance)
	w.crash()
	w.settle()
	if s := w.status(patient); s.RuntimeStatus != history.Running {
		w.Errorf("with AwaitOutstanding the instance is %s, want Running", s.RuntimeStatus)
	}
	time.Sleep(2 * timerTolerance)
	w.settle()
	if s := w.status(patient); s.RuntimeStatus != status || string(s.Output) != output {
		w.Errorf("with AwaitOutstanding the instance is %s with %s after its timer, want %s with %s", s.RuntimeStatus, s.Output, status, output)
	}
}
