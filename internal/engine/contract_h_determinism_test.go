package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

const echo = perdure.ActivityRef[string, string]("Echo")

func addEcho(app *perdure.App) {
	perdure.AddActivity(app, "Echo", func(_ context.Context, in string) (string, error) { return in, nil })
}

func TestH90_NowStandsStillWithinATurnAndNeverDecreases(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Clock", func(ctx *perdure.OrchestrationContext, _ string) ([]time.Time, error) {
			var times []time.Time
			for i := range 10 {
				one := ctx.Now()
				w.mark("work") // whatever the code does between two reads
				if two := ctx.Now(); !two.Equal(one) {
					return nil, fmt.Errorf("now went from %s to %s without a wait", one, two)
				}
				times = append(times, one)
				var err error
				if i%2 == 0 {
					_, err = echo.Call(ctx, "").Await()
				} else {
					_, err = ctx.CreateTimer(time.Second).Await()
				}
				if err != nil {
					return nil, err
				}
			}
			return times, nil
		})
	}, func(w *world) {
		times, err := client.Result[[]time.Time](w.ended(w.mustStart("Clock", "", client.StartOptions{}), history.Completed))
		if err != nil || len(times) != 10 {
			w.Fatalf("output = %v, %v; want 10 times", times, err)
		}
		if !slices.IsSortedFunc(times, time.Time.Compare) {
			w.Errorf("now decreases: %v", times)
		}
	})
}

func TestH91_GUIDsAreStableDistinctAndAsPublished(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Maker", func(ctx *perdure.OrchestrationContext, _ string) ([]string, error) {
			var guids []string
			for range 5 {
				one, two := ctx.NewGUID(), ctx.NewGUID()
				guids = append(guids, one, two)
				recorded, err := echo.Call(ctx, one+two).Await()
				if err != nil {
					return nil, err
				}
				if recorded != one+two {
					return nil, fmt.Errorf("the guids are %s%s in replay, they were %s", one, two, recorded)
				}
			}
			return guids, nil
		})
	}, func(w *world) {
		then := time.Date(2024, 1, 2, 3, 4, 5, 123456700, time.UTC)
		w.skew.Add(int64(time.Until(then)))
		id := w.mustStart("Maker", "", client.StartOptions{ID: "abc"})
		guids, err := client.Result[[]string](w.ended(id, history.Completed))
		if err != nil || len(guids) != 10 {
			w.Fatalf("output = %q, %v; want 10 guids", guids, err)
		}
		if want := "b3f7c854-5a21-59cb-8e84-6203c1549376"; guids[0] != want {
			w.Errorf("first guid of %s at %s = %s, want %s", id, then, guids[0], want)
		}
		seen := make(map[string]bool)
		for _, guid := range guids {
			if len(guid) != 36 || guid[14] != '5' || !strings.ContainsRune("89ab", rune(guid[19])) {
				w.Errorf("guid %s is no RFC 4122 id of version 5", guid)
			}
			if seen[guid] {
				w.Errorf("guid %s came twice: %q", guid, guids)
			}
			seen[guid] = true
		}
	})
}

func TestH92_LogLineIsWrittenOnceInTenTurns(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Talker", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			w.mark("runs")
			ctx.Logger().Info("step 0 of it")
			for i := range 9 {
				if _, err := echo.Call(ctx, "").Await(); err != nil {
					return "", err
				}
				ctx.Logger().Info(fmt.Sprintf("step %d of it", i+1))
			}
			return "", nil
		})
	}, func(w *world) {
		id := w.mustStart("Talker", "", client.StartOptions{})
		w.completed(id)
		if n := w.count(id, history.OrchestratorStarted); n != 10 {
			w.Errorf("the history has %d turns, want 10", n)
		}
		for i := range 10 {
			if n := w.lines.count(fmt.Sprintf("step %d of it", i)); n != 1 {
				w.Errorf("line %d was written %d times, want once", i, n)
			}
		}
		if n := w.lines.count(id); n != 10 {
			w.Errorf("%d lines name the instance, want 10", n)
		}
		if runs := w.marked("runs"); w.options.CacheBytes < 0 && runs != 10 {
			w.Errorf("the code ran %d times, want 10: without a cache every turn replays", runs)
		}
	})
}

// code is an orchestrator's code in one version of a program.
type code = func(ctx *perdure.OrchestrationContext, in string) (string, error)

// changed returns a test of an instance whose code changes from before to after
// while it waits for the event Go, under policy. check gets the id of the
// instance, to which Go has been raised.
func changed(policy perdure.NonDeterminismPolicy, before, after code, check func(w *world, id string)) (func(*world, *perdure.App), func(*world)) {
	version := func(run code) func(*world, *perdure.App) {
		return func(w *world, app *perdure.App) {
			app.OnNonDeterminism(policy)
			perdure.AddActivity(app, "A", func(_ context.Context, in string) (string, error) { w.mark("A"); return in, nil })
			perdure.AddActivity(app, "B", func(_ context.Context, in string) (string, error) { w.mark("B"); return in, nil })
			perdure.AddOrchestrator(app, "Changing", run)
		}
	}
	return version(before), func(w *world) {
		id := w.mustStart("Changing", "in", client.StartOptions{})
		time.Sleep(time.Minute)
		w.settle()
		w.deploy(version(after))
		w.raise(id, "Go", "go")
		w.settle()
		check(w, id)
	}
}

// first returns code that does something and then waits for Go.
func first(do func(ctx *perdure.OrchestrationContext) error) code {
	return func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		if err := do(ctx); err != nil {
			return "", err
		}
		return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
	}
}

func callOf(name string) func(*perdure.OrchestrationContext) error {
	return func(ctx *perdure.OrchestrationContext) error {
		_, err := perdure.ActivityRef[string, string](name).Call(ctx, "in").Await()
		return err
	}
}

func nothing(*perdure.OrchestrationContext) error { return nil }

func sleepFor(d time.Duration) func(*perdure.OrchestrationContext) error {
	return func(ctx *perdure.OrchestrationContext) error {
		_, err := ctx.CreateTimer(d).Await()
		return err
	}
}

// misfit checks that the instance has failed for its code does not fit, with a
// message that holds all the given parts.
func misfit(parts ...string) func(w *world, id string) {
	return func(w *world, id string) {
		w.Helper()
		s := w.status(id)
		if s.RuntimeStatus != history.Failed || s.Failure == nil || s.Failure.Type != history.FailureNonDeterministic {
			w.Fatalf("the instance is %s with %+v, want Failed with %s", s.RuntimeStatus, s.Failure, history.FailureNonDeterministic)
		}
		for _, part := range parts {
			if !strings.Contains(s.Failure.Message, part) {
				w.Errorf("message = %q, want one that holds %q", s.Failure.Message, part)
			}
		}
		if n := w.marked("B"); n != 0 {
			w.Errorf("activity B ran %d times, want never", n)
		}
		w.crash()
		w.settle()
		if again := w.status(id); again.RuntimeStatus != history.Failed {
			w.Errorf("after a restart the instance is %s, want Failed", again.RuntimeStatus)
		}
	}
}

func TestH93_CallOfAnotherActivityFails(t *testing.T) {
	register, test := changed(perdure.FailInstance, first(callOf("A")), first(callOf("B")), misfit("#0", `"A"`, `"B"`))
	contract(t, register, test)
}

func TestH94_RemovedCallFails(t *testing.T) {
	register, test := changed(perdure.FailInstance, first(callOf("A")), first(nothing), misfit("TaskScheduled #0", `"A"`, "nothing"))
	contract(t, register, test)
}

func TestH95_ActivityInsteadOfATimerFails(t *testing.T) {
	register, test := changed(perdure.FailInstance, first(sleepFor(time.Second)), first(callOf("B")), misfit("TimerCreated #0", "ScheduleTask #0"))
	contract(t, register, test)
}

// proceeds checks that the instance completes with want.
func proceeds(want string) func(w *world, id string) {
	return func(w *world, id string) {
		w.Helper()
		if s := w.status(id); s.RuntimeStatus != history.Completed || string(s.Output) != want {
			w.Errorf("the instance is %s with %s, want Completed with %s", s.RuntimeStatus, s.Output, want)
		}
	}
}

func TestH96_OtherCaseOfANameIsAccepted(t *testing.T) {
	register, test := changed(perdure.FailInstance, first(callOf("A")), first(callOf("a")), proceeds(`"go"`))
	contract(t, register, test)
}

func TestH97_OtherInputsTimesAndCallsAtTheEndAreAccepted(t *testing.T) {
	inputs := func(in string, d time.Duration, more bool) code {
		return func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			got, err := perdure.ActivityRef[string, string]("A").Call(ctx, in).Await()
			if err != nil {
				return "", err
			}
			if _, err := ctx.CreateTimer(d).Await(); err != nil {
				return "", err
			}
			if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil || !more {
				return got, err
			}
			return perdure.ActivityRef[string, string]("B").Call(ctx, got+" and more").Await()
		}
	}
	for name, after := range map[string]struct {
		code
		want string
	}{
		"input":                {inputs("two", time.Second, false), `"one"`},
		"due time":             {inputs("one", time.Hour, false), `"one"`},
		"call at the end":      {inputs("one", time.Second, true), `"one and more"`},
		"all of that together": {inputs("two", time.Hour, true), `"one and more"`},
	} {
		t.Run(name, func(t *testing.T) {
			register, test := changed(perdure.FailInstance, inputs("one", time.Second, false), after.code, proceeds(after.want))
			contract(t, register, test)
		})
	}
}

func TestH98_ParkedInstanceWaitsForTheCodeThatFits(t *testing.T) {
	before := first(callOf("A"))
	register, test := changed(perdure.ParkInstance, before, first(callOf("B")), func(w *world, id string) {
		time.Sleep(10 * time.Minute) // it is tried now and then
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Running {
			w.Errorf("the instance is %s, want Running", s.RuntimeStatus)
		}
		held := w.engine.Held()
		if len(held) != 1 || string(held[0].Instance) != id || held[0].Task != history.NoID || held[0].Attempts < 2 ||
			!strings.Contains(held[0].Reason, `"A"`) || !strings.Contains(held[0].Reason, `"B"`) {
			w.Errorf("Held() = %+v, want the instance, tried several times, for A became B", held)
		}
		if n := w.marked("B"); n != 0 {
			w.Errorf("activity B ran %d times, want never", n)
		}
		w.deploy(func(w *world, app *perdure.App) {
			app.OnNonDeterminism(perdure.ParkInstance)
			perdure.AddOrchestrator(app, "Changing", before)
		})
		w.settle()
		proceeds(`"go"`)(w, id)
		if held := w.engine.Held(); len(held) != 0 {
			w.Errorf("Held() = %+v, want nothing", held)
		}
	})
	contract(t, register, test)
}

func TestH101_ContextInAForeignGoroutineIsAnError(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Good", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return echo.Call(ctx, in).Await()
		})
		perdure.AddOrchestrator(app, "Awaiting", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			task := echo.Call(ctx, in)
			answer := make(chan error)
			go func() { // waited for right below
				_, err := task.Await()
				answer <- err
			}()
			if err := <-answer; !errors.Is(err, perdure.ErrForeignGoroutine) {
				return "", fmt.Errorf("Await in a foreign goroutine = %w, want %w", err, perdure.ErrForeignGoroutine)
			}
			return task.Await()
		})
		perdure.AddOrchestrator(app, "Lingering", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			if w.mark("lingering") == 1 {
				go func() { // ends within a second, long before the test
					time.Sleep(time.Second) // the orchestrator is parked by then
					if err := ctx.SetCustomStatus("not mine"); errors.Is(err, perdure.ErrForeignGoroutine) {
						w.mark("refused")
					}
					if _, err := echo.Call(ctx, "not mine").Await(); errors.Is(err, perdure.ErrForeignGoroutine) {
						w.mark("refused")
					}
				}()
			}
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
	}, func(w *world) {
		good := w.mustStart("Good", "fine", client.StartOptions{})
		s := w.ended(w.mustStart("Awaiting", "", client.StartOptions{}), history.Failed)
		if s.Failure == nil || s.Failure.Type != history.FailureMisuse || s.Failure.Message != perdure.ErrForeignGoroutine.Error() {
			w.Errorf("failure = %+v, want %s: %s", s.Failure, history.FailureMisuse, perdure.ErrForeignGoroutine)
		}

		lingering := w.mustStart("Lingering", "", client.StartOptions{})
		time.Sleep(2 * time.Second)
		if n := w.marked("refused"); n != 2 {
			w.Errorf("%d calls of a goroutine that lingers were refused, want 2", n)
		}
		w.raise(lingering, "Go", "go")
		w.settle()
		// An orchestrator that was not in memory had nothing that could be misused.
		if s := w.status(lingering); w.options.CacheBytes < 0 {
			if s.RuntimeStatus != history.Completed || string(s.Output) != `"go"` {
				w.Errorf("the instance is %s with %s, want Completed with \"go\"", s.RuntimeStatus, s.Output)
			}
		} else if s.RuntimeStatus != history.Failed || s.Failure == nil || s.Failure.Type != history.FailureMisuse {
			w.Errorf("the instance is %s with %+v, want Failed with %s", s.RuntimeStatus, s.Failure, history.FailureMisuse)
		}
		if s := w.status(lingering); len(s.CustomStatus) != 0 {
			w.Errorf("custom status = %s, want none", s.CustomStatus)
		}
		if n := w.count(lingering, history.TaskScheduled); n != 0 {
			w.Errorf("%d activities were scheduled, want none", n)
		}

		if got := w.completed(good); got != `"fine"` {
			w.Errorf("output of an instance beside = %s, want \"fine\"", got)
		}
		if got := w.run("Good", "still fine"); got != `"still fine"` {
			w.Errorf("output of a later instance = %s, want \"still fine\"", got)
		}
	})
}

func TestH102_ActionCapFailsTheInstanceAndNamesTheLimit(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Greedy", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			for i := range n {
				if i%2 == 0 {
					echo.Call(ctx, "")
				} else if _, err := ctx.CreateTimer(time.Second).Await(); err != nil {
					return "", err
				}
			}
			return "within", nil
		})
	}, func(w *world) {
		w.actions = 10
		w.deploy(w.register)
		if got := w.run("Greedy", 10); got != `"within"` {
			w.Errorf("output of 10 actions = %s, want \"within\"", got)
		}
		s := w.ended(w.mustStart("Greedy", 11, client.StartOptions{}), history.Failed)
		if s.Failure == nil || s.Failure.Type != history.FailureActionLimit ||
			!strings.Contains(s.Failure.Message, "10 actions") || !strings.Contains(s.Failure.Message, "maxOrchestrationActions") {
			w.Errorf("failure of 11 actions = %+v, want %s that names the limit", s.Failure, history.FailureActionLimit)
		}
		if n := w.count(string(s.ID), history.TaskScheduled) + w.count(string(s.ID), history.TimerCreated); n != 10 {
			w.Errorf("11 actions: %d were recorded, want 10", n)
		}
	})
}
