package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/storetest"
)

// having returns the lines that hold all the parts.
func (l *lines) having(parts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.text.String()) {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(line, part)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

// A way for an attempt or an instance to fail: the code of the orchestrator "Main"
// and of the activity "Act", and the lines that tell of it, each as what it holds
// besides the instance.
type failing struct {
	main  func(ctx *perdure.OrchestrationContext) error
	act   func(ctx context.Context) error
	after func(w *world, id string) // what happens once Main waits
	lines [][]string
}

// callAct calls the activity and passes its failure on.
func callAct(ctx *perdure.OrchestrationContext) error {
	_, err := perdure.ActivityRef[any, any]("Act").Call(ctx, nil).Await()
	return err
}

func waysToFail() map[string]failing {
	attempt := func(level, n string, more ...string) []string {
		return append([]string{"level=" + level, `msg="attempt failed"`, "task=", "function=Act attempt=" + n, "execution=", "turn="}, more...)
	}
	instance := func(level string, more ...string) []string {
		return append([]string{"level=" + level, `msg="instance failed"`, "function=Main", "execution=", "turn="}, more...)
	}
	refuse := func(context.Context) error { return errors.New("card declined") }
	await := func(ctx *perdure.OrchestrationContext) error {
		_, err := perdure.WaitForExternalEvent[any](ctx, "Go").Await()
		return err
	}
	return map[string]failing{
		"an activity returns an error": {
			main: callAct, act: refuse,
			lines: [][]string{attempt("WARN", "1", `error="card declined"`), instance("WARN", `error="card declined"`)},
		},
		"a handled failure": {
			main: func(ctx *perdure.OrchestrationContext) error { _ = callAct(ctx); return nil }, act: refuse,
			lines: [][]string{attempt("WARN", "1")},
		},
		"each attempt under a policy": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.ActivityRef[any, any]("Act").Call(ctx, nil, perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3})).Await()
				return err
			}, act: refuse,
			lines: [][]string{attempt("WARN", "1"), attempt("WARN", "2"), attempt("WARN", "3"), instance("WARN")},
		},
		"an activity panics": {
			main: callAct, act: func(context.Context) error { panic("boom") },
			lines: [][]string{attempt("ERROR", "1", `error="panic: boom"`, `stack="github.com/perdure/perdure/internal/engine_test.waysToFail.`), instance("WARN", `error="panic: boom"`)},
		},
		"an activity exits its goroutine": {
			main: callAct, act: func(context.Context) error { runtime.Goexit(); return nil },
			lines: [][]string{attempt("ERROR", "1", "Goexit"), instance("WARN")},
		},
		"an activity gets what it cannot read": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.ActivityRef[string, any]("Number").Call(ctx, "x").Await()
				return err
			},
			lines: [][]string{{"level=WARN", `msg="attempt failed"`, "function=Number", "ConversionError"}, instance("WARN", "ConversionError")},
		},
		"an orchestrator returns an error": {
			main:  func(*perdure.OrchestrationContext) error { return errors.New("no") },
			lines: [][]string{instance("WARN", "error=no")},
		},
		"an orchestrator panics": {
			main:  func(*perdure.OrchestrationContext) error { panic(errors.New("boom")) },
			lines: [][]string{instance("ERROR", `error="panic: boom"`, `stack="github.com/perdure/perdure/internal/engine_test.waysToFail.`)},
		},
		"an orchestrator exits its goroutine": {
			main:  func(*perdure.OrchestrationContext) error { runtime.Goexit(); return nil },
			lines: [][]string{instance("ERROR", "Goexit")},
		},
		"a wrong call": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.ActivityRef[any, any]("").Call(ctx, nil).Await()
				return err
			},
			lines: [][]string{instance("WARN", "its name is empty")},
		},
		"too many actions": {
			main: func(ctx *perdure.OrchestrationContext) error {
				for range 200 {
					ctx.CreateTimer(time.Second)
				}
				return await(ctx)
			},
			lines: [][]string{instance("ERROR", history.FailureActionLimit)},
		},
		"the context in a foreign goroutine": {
			main: func(ctx *perdure.OrchestrationContext) error {
				done := make(chan error)
				go func() { done <- await(ctx) }() // waited for right below
				return <-done
			},
			lines: [][]string{instance("ERROR", history.FailureMisuse)},
		},
		"a child fails": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.OrchestratorRef[any, any]("Child").Call(ctx, nil, perdure.WithInstanceID("kid")).Await()
				return err
			},
			lines: [][]string{
				{"level=WARN", `msg="instance failed"`, "instance=kid", "function=Child", "parent=i", `error="broken toy"`},
				instance("WARN", `error="broken toy"`),
			},
		},
		"a child is terminated": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.OrchestratorRef[any, any]("Waits").Call(ctx, nil, perdure.WithInstanceID("kid")).Await()
				return err
			},
			after: func(w *world, _ string) {
				if err := w.Terminate(context.Background(), "kid", client.TerminateOptions{Reason: "enough"}); err != nil {
					w.Errorf("Terminate(kid) = %v", err)
				}
			},
			lines: [][]string{{"level=WARN", `msg="attempt failed"`, "function=Waits", "attempt=1", "Terminated: enough"}, instance("WARN", "Terminated: enough")},
		},
		"a child whose id is taken": {
			main: func(ctx *perdure.OrchestrationContext) error {
				kid := func() *perdure.Task[any] {
					return perdure.OrchestratorRef[any, any]("Waits").Call(ctx, nil, perdure.WithInstanceID("kid"))
				}
				kid()
				_, err := kid().Await()
				return err
			},
			lines: [][]string{{"level=WARN", `msg="attempt failed"`, "function=Waits", "task=1", history.FailureAlreadyExists}, instance("WARN", history.FailureAlreadyExists)},
		},
		"an event that does not come": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.WaitForExternalEvent[any](ctx, "Go", perdure.WithTimeout(time.Minute)).Await()
				return err
			},
			lines: [][]string{instance("WARN", "event Go not received")},
		},
		"an activity that is not registered": {
			main: func(ctx *perdure.OrchestrationContext) error {
				_, err := perdure.ActivityRef[any, any]("Missing").Call(ctx, nil).Await()
				return err
			},
			after: func(w *world, id string) {
				time.Sleep(time.Hour) // it is tried now and then
				if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{}); err != nil {
					w.Errorf("Terminate(%s) = %v", id, err)
				}
			},
			lines: [][]string{{"level=WARN", "msg=held", "function=Missing", "task=0", "not registered"}},
		},
	}
}

func TestEachFailureIsToldOnce(t *testing.T) {
	for name, way := range waysToFail() {
		t.Run(name, func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				perdure.AddActivity(app, "Act", func(ctx context.Context, _ any) (any, error) { return nil, way.act(ctx) })
				perdure.AddActivity(app, "Number", func(context.Context, int) (any, error) { return nil, nil })
				perdure.AddOrchestrator(app, "Child", func(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("broken toy") })
				perdure.AddOrchestrator(app, "Waits", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
					return perdure.WaitForExternalEvent[any](ctx, "Go").Await()
				})
				perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ any) (any, error) { return nil, way.main(ctx) })
			}, func(w *world) {
				w.stop()
				w.actions = 100
				w.start()
				w.mustStart("Main", nil, client.StartOptions{ID: "i"})
				time.Sleep(time.Second)
				w.settle()
				if way.after != nil {
					way.after(w, "i")
				}
				time.Sleep(time.Hour)
				w.settle()
				w.crash() // what was told is not told again
				w.settle()
				if s := w.status("i"); !s.Terminal() {
					w.Fatalf("the instance is %s, want it ended", s.RuntimeStatus)
				}
				for _, parts := range way.lines {
					if parts[2] != "instance=kid" {
						parts = append(slices.Clip(parts), "instance=i") // worlds run side by side
					}
					if found := w.told.having(parts...); len(found) != 1 {
						w.Errorf("%d lines hold %q, want one", len(found), parts)
					}
				}
				if all := w.told.having(); len(all) != len(way.lines) {
					w.Errorf("%d lines, want %d:\n%s", len(all), len(way.lines), strings.Join(all, ""))
				}
			})
		})
	}
}

// What was told is true, and nothing is told twice, whichever commit fails.
func TestFailuresAreToldOnceWhateverCommitFails(t *testing.T) {
	register := func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Act", func(context.Context, any) (any, error) { return nil, errors.New("card declined") })
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
			return perdure.ActivityRef[any, any]("Act").Call(ctx, nil, perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3})).Await()
		})
	}
	for n := 1; n <= 6; n++ {
		for mode, name := range map[storetest.FaultMode]string{storetest.NotStored: "NotStored", storetest.StoredButFailed: "StoredButFailed"} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					faulty := storetest.Faulty(openMemory(t))
					w := &world{T: t, register: register, inner: singly{faulty}}
					faulty.FailCommit(n, mode)
					w.start()
					defer w.stop()
					for {
						_, err := w.Start(context.Background(), "Main", nil, client.StartOptions{ID: "i", Reuse: client.ReturnExisting})
						if err == nil {
							break
						}
						time.Sleep(time.Second) // it was the start that failed
					}
					w.ended("i", history.Failed)
					w.settle()
					total := 0
					for _, parts := range [][]string{{"attempt failed", "attempt=1"}, {"attempt failed", "attempt=2"}, {"attempt failed", "attempt=3"}, {"instance failed"}} {
						found := len(w.told.having(parts...))
						if total += found; found > 1 {
							t.Errorf("%d lines hold %q, want one", found, parts)
						}
					}
					// Of a commit that is stored though its caller was told
					// otherwise nothing is known.
					if total < 3 || total < 4 && mode == storetest.NotStored {
						t.Errorf("%d lines of the 4 were written", total)
					}
				})
			})
		}
	}
}

func TestParkedIsToldOnce(t *testing.T) {
	register, test := changed(perdure.ParkInstance, first(callOf("A")), first(callOf("B")), func(w *world, id string) {
		time.Sleep(24 * time.Hour)
		w.settle()
		if found := w.told.having("instance="+id, "function=Changing"); len(found) != 1 || !strings.Contains(found[0], "level=WARN msg=held") || !strings.Contains(found[0], `\"B\"`) {
			w.Errorf("of the instance that is parked %d lines tell, want one that names A and B:\n%s", len(found), strings.Join(found, ""))
		}
	})
	contract(t, register, test)
}

func TestParkingIsTheDefault(t *testing.T) {
	version := func(run code) func(*world, *perdure.App) {
		return func(_ *world, app *perdure.App) {
			perdure.AddActivity(app, "A", func(_ context.Context, in string) (string, error) { return in, nil })
			perdure.AddOrchestrator(app, "Changing", run)
		}
	}
	contract(t, version(first(callOf("A"))), func(w *world) {
		id := w.mustStart("Changing", "in", client.StartOptions{})
		w.settle()
		w.deploy(version(first(nothing)))
		w.raise(id, "Go", "go")
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Running {
			w.Errorf("the instance is %s with %v, want Running: it is parked", s.RuntimeStatus, s.Failure)
		}
	})
}

func TestStartsAndEndsAreToldAtDebug(t *testing.T) {
	register := func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Act", func(context.Context, any) (any, error) { return nil, nil })
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ any) (any, error) { return nil, callAct(ctx) })
	}
	contract(t, register, func(w *world) {
		w.mustStart("Main", nil, client.StartOptions{ID: "quiet"})
		w.completed("quiet")
		if all := w.told.having(); len(all) > 0 {
			w.Errorf("at Info the log has lines, want none:\n%s", strings.Join(all, ""))
		}
		w.stop()
		w.level = slog.LevelDebug
		w.start()
		w.mustStart("Main", nil, client.StartOptions{ID: "i"})
		w.completed("i")
		w.settle()
		for _, parts := range [][]string{
			{`msg="instance started"`, "function=Main"}, {`msg="activity started"`, "function=Act", "task=0"},
			{`msg="activity ended"`, "function=Act", "task=0"}, {`msg="instance ended"`, "function=Main", "status=Completed"},
		} {
			if found := w.told.having(append(parts, "level=DEBUG", "instance=i")...); len(found) != 1 {
				w.Errorf("%d lines hold %q, want one", len(found), parts)
			}
		}
	})
}

func TestStartsThatMeetAnInstanceAreTold(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		addEcho(app)
		perdure.AddOrchestrator(app, "Waits", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
			return perdure.WaitForExternalEvent[any](ctx, "Go").Await()
		})
		perdure.AddOrchestrator(app, "Starter", func(ctx *perdure.OrchestrationContext, id string) (any, error) {
			_, err := perdure.OrchestratorRef[any, any]("Waits").Start(ctx, nil, perdure.WithInstanceID(perdure.InstanceID(id)))
			return nil, err
		})
	}, func(w *world) {
		w.run("Starter", "one")
		w.settle()
		w.run("Starter", "one")
		w.settle()
		if n := len(w.told.having("level=INFO", "start dropped", "instance=one", "function=Waits", "status=Running")); n != 1 {
			w.Errorf("%d lines tell that a start was dropped, want one", n)
		}
		w.raise("one", "Go", nil)
		w.completed("one")
		w.run("Starter", "one")
		w.settle()
		if n := len(w.told.having("level=INFO", "start replaced", "instance=one", "status=Completed")); n != 1 {
			w.Errorf("%d lines tell that an instance was replaced, want one", n)
		}
	})
}
