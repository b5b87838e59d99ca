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
)

// suspend suspends an instance that must accept it.
func (w *world) suspend(id, reason string) {
	w.Helper()
	if err := w.Suspend(context.Background(), history.InstanceID(id), reason); err != nil {
		w.Fatalf("Suspend(%s) = %v", id, err)
	}
}

// resume resumes an instance that must accept it.
func (w *world) resume(id string) {
	w.Helper()
	if err := w.Resume(context.Background(), history.InstanceID(id), "go on"); err != nil {
		w.Fatalf("Resume(%s) = %v", id, err)
	}
}

// terminate terminates an instance that must accept it.
func (w *world) terminate(id string, o client.TerminateOptions) {
	w.Helper()
	if err := w.Terminate(context.Background(), history.InstanceID(id), o); err != nil {
		w.Fatalf("Terminate(%s) = %v", id, err)
	}
}

// is checks the status of an instance once everything has come to rest.
func (w *world) is(id string, want history.RuntimeStatus) {
	w.Helper()
	w.settle()
	if got := w.status(id).RuntimeStatus; got != want {
		w.Errorf("status of %s = %s, want %s", id, got, want)
	}
}

// addSteps adds an orchestrator that marks "code" each time that its code goes
// on: at its start and after each of two events.
func addSteps(w *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Steps", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
		for i := range 2 {
			if !ctx.Replaying() {
				w.mark("code")
			}
			if _, err := perdure.WaitForExternalEvent[int](ctx, fmt.Sprintf("Step%d", i)).Await(); err != nil {
				return "", err
			}
		}
		return "done", nil
	})
}

func TestL135_NoCodeRunsWhileSuspended(t *testing.T) {
	contract(t, addSteps, func(w *world) {
		id := w.mustStart("Steps", 0, client.StartOptions{})
		w.settle()
		w.suspend(id, "wait for the auditor")
		w.is(id, history.Suspended)
		w.raise(id, "Step0", 1)
		w.raise(id, "Step1", 2)
		time.Sleep(time.Hour)
		w.settle()
		if n := w.marked("code"); n != 1 {
			w.Errorf("code went on %d times before the resume, want only the first time", n)
		}
		w.is(id, history.Suspended)
		var reason string
		for _, ev := range w.history(id) {
			if ev.Kind == history.ExecutionSuspended {
				reason = string(ev.Payload)
			}
		}
		if reason != `"wait for the auditor"` {
			w.Errorf("reason in the history = %s, want the one given", reason)
		}
		w.resume(id)
		if got := w.completed(id); got != `"done"` {
			w.Errorf("output = %s, want \"done\"", got)
		}
	})
}

func TestL136_ResultThatComesDuringSuspensionIsAppliedOnceOnResume(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				perdure.AddActivity(app, "Slow", func(context.Context, int) (int, error) {
					time.Sleep(time.Minute)
					return int(w.mark("slow")), nil
				})
				perdure.AddOrchestrator(app, "Waits", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
					n, err := perdure.ActivityRef[int, int]("Slow").Call(ctx, 0).Await()
					if !ctx.Replaying() {
						w.mark("result")
					}
					return n, err
				})
			}, func(w *world) {
				id := w.mustStart("Waits", 0, client.StartOptions{})
				w.settle()
				w.suspend(id, "")
				time.Sleep(time.Hour)
				w.is(id, history.Suspended)
				if crash {
					w.crash()
				}
				if n := w.marked("result"); n != 0 {
					w.Errorf("code saw the result %d times during the suspension, want 0", n)
				}
				w.resume(id)
				if got := w.completed(id); got != "1" {
					w.Errorf("output = %s, want the result of the first run, 1", got)
				}
				if n := w.marked("result"); n != 1 {
					w.Errorf("code saw the result %d times, want 1", n)
				}
				if n := w.count(id, history.TaskCompleted); n != 1 {
					w.Errorf("the history has %d results, want 1", n)
				}
			})
		})
	}
}

func TestL137_SuspendAndResumeOutOfStateAreErrorsWithoutEffect(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "running"})
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "suspended"})
		w.mustStart("Echo", 0, client.StartOptions{ID: "ended"})
		w.settle()
		w.suspend("suspended", "first")
		w.settle()
		before := map[string]string{}
		for _, id := range []string{"running", "suspended", "ended"} {
			before[id] = w.json(id)
		}
		for _, call := range []struct {
			what string
			err  error
			want error
		}{
			{"Suspend(suspended)", w.Suspend(ctx, "suspended", "second"), client.ErrInvalidState},
			{"Suspend(ended)", w.Suspend(ctx, "ended", ""), client.ErrTerminal},
			{"Suspend(missing)", w.Suspend(ctx, "missing", ""), client.ErrNotFound},
			{"Resume(running)", w.Resume(ctx, "running", ""), client.ErrInvalidState},
			{"Resume(ended)", w.Resume(ctx, "ended", ""), client.ErrTerminal},
			{"Resume(missing)", w.Resume(ctx, "missing", ""), client.ErrNotFound},
		} {
			if !errors.Is(call.err, call.want) {
				w.Errorf("%s = %v, want %v", call.what, call.err, call.want)
			}
		}
		w.settle()
		for id, was := range before {
			if now := w.json(id); now != was {
				w.Errorf("%s changed from %s to %s", id, was, now)
			}
		}
	})
}

func TestL138_SuspendedWhilePendingRunsNoCodeBeforeTheResume(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "First", func(context.Context, int) (int64, error) { return w.mark("activity"), nil })
		perdure.AddOrchestrator(app, "Begin", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
			w.mark("code")
			return perdure.ActivityRef[int, int64]("First").Call(ctx, 0).Await()
		})
	}
	check := func(w *world, id string) {
		w.is(id, history.Suspended)
		if code, activity := w.marked("code"), w.marked("activity"); code != 0 || activity != 0 {
			w.Errorf("before the resume code ran %d times and its activity %d times, want neither", code, activity)
		}
		w.resume(id)
		if got := w.completed(id); got != "1" {
			w.Errorf("output = %s, want 1: its activity ran once", got)
		}
	}
	t.Run("scheduled", func(t *testing.T) {
		contract(t, register, func(w *world) {
			id := w.mustStart("Begin", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
			w.suspend(id, "not yet")
			w.is(id, history.Pending)
			time.Sleep(2 * time.Hour)
			check(w, id)
		})
	})
	t.Run("nobody ran it yet", func(t *testing.T) {
		contract(t, register, func(w *world) {
			w.stop()
			w.startWith(nil)
			id := w.mustStart("Begin", 0, client.StartOptions{})
			w.suspend(id, "not yet")
			w.crash()
			check(w, id)
		})
	})
}

func TestL139_TerminatedInstanceNeverGoesOn(t *testing.T) {
	contract(t, addSteps, func(w *world) {
		id := w.mustStart("Steps", 0, client.StartOptions{})
		w.settle()
		w.terminate(id, client.TerminateOptions{Reason: "not needed any more"})
		if s := w.ended(id, history.Terminated); string(s.Output) != `"not needed any more"` {
			w.Errorf("output = %s, want the reason", s.Output)
		}
		if err := w.Raise(context.Background(), history.InstanceID(id), "Step0", 1); !errors.Is(err, client.ErrTerminal) {
			w.Errorf("Raise to the terminated instance = %v, want %v", err, client.ErrTerminal)
		}
		w.crash()
		time.Sleep(time.Hour)
		w.is(id, history.Terminated)
		if n := w.marked("code"); n != 1 {
			w.Errorf("code went on %d times, want only the first time", n)
		}
		w.idle()
	})
}

func TestL140_TerminateWorksWhileSuspended(t *testing.T) {
	contract(t, addSteps, func(w *world) {
		id := w.mustStart("Steps", 0, client.StartOptions{})
		w.settle()
		w.suspend(id, "")
		w.raise(id, "Step0", 1)
		w.settle()
		w.terminate(id, client.TerminateOptions{Reason: "over"})
		if s := w.ended(id, history.Terminated); string(s.Output) != `"over"` {
			w.Errorf("output = %s, want \"over\"", s.Output)
		}
		if n := w.marked("code"); n != 1 {
			w.Errorf("code went on %d times, want only the first time", n)
		}
	})
}

func TestL141_TerminateOfAnEndedOrMissingInstanceIsAnError(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		id := w.mustStart("Echo", "result", client.StartOptions{})
		w.completed(id)
		for _, recursive := range []bool{false, true} {
			o := client.TerminateOptions{Reason: "late", Recursive: recursive}
			if err := w.Terminate(context.Background(), history.InstanceID(id), o); !errors.Is(err, client.ErrTerminal) || !errors.Is(err, client.ErrInvalidState) {
				w.Errorf("Terminate of an ended instance = %v, want %v", err, client.ErrTerminal)
			}
			if err := w.Terminate(context.Background(), "missing", o); !errors.Is(err, client.ErrNotFound) {
				w.Errorf("Terminate of a missing instance = %v, want %v", err, client.ErrNotFound)
			}
		}
		if s := w.ended(id, history.Completed); string(s.Output) != `"result"` {
			w.Errorf("output afterwards = %s, want what it was", s.Output)
		}
	})
}

func TestL142_FirstTerminationWins(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		id := w.mustStart("UntilGo", 0, client.StartOptions{})
		w.terminate(id, client.TerminateOptions{Reason: "first"})
		if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Reason: "second"}); err != nil && !errors.Is(err, client.ErrTerminal) {
			w.Errorf("second Terminate = %v, want nil or %v", err, client.ErrTerminal)
		}
		if s := w.ended(id, history.Terminated); string(s.Output) != `"first"` {
			w.Errorf("output = %s, want the first reason", s.Output)
		}
		w.settle()
		if n := w.count(id, history.ExecutionCompleted); n != 1 {
			w.Errorf("the history has %d ends, want 1", n)
		}
	})
}

// addFamily adds orchestrators whose instances form a tree: Family of depth n
// starts two of depth n-1 and waits for them, when the event Go comes or at once; at
// depth 0 it waits for Go. Beside them it starts one that it does not wait for.
func addFamily(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "UntilGo", untilGo)
	perdure.AddOrchestrator(app, "Family", func(ctx *perdure.OrchestrationContext, depth int) (int, error) {
		self := perdure.OrchestratorRef[int, int]("Family")
		if depth == 0 {
			_, err := perdure.WaitForExternalEvent[int](ctx, "Go").Await()
			return 1, err
		}
		var tasks []*perdure.Task[int]
		for i := range 2 {
			tasks = append(tasks, self.Call(ctx, depth-1, perdure.WithInstanceID(ctx.InstanceID()+perdure.InstanceID(fmt.Sprintf(".%d", i)))))
		}
		loose := perdure.OrchestratorRef[int, int]("UntilGo")
		if _, err := loose.Start(ctx, 0, perdure.WithInstanceID("loose "+ctx.InstanceID())); err != nil {
			return 0, err
		}
		sizes, err := perdure.WhenAll(ctx, tasks...).Await()
		n := 1
		for _, size := range sizes {
			n += size
		}
		return n, err
	})
	perdure.AddOrchestrator(app, "LateFamily", func(ctx *perdure.OrchestrationContext, depth int) (int, error) {
		if _, err := perdure.WaitForExternalEvent[int](ctx, "Go").Await(); err != nil {
			return 0, err
		}
		return perdure.OrchestratorRef[int, int]("Family").Call(ctx, depth, perdure.WithInstanceID(ctx.InstanceID()+".0")).Await()
	})
}

// are checks the status of all instances whose ids begin with prefix.
func (w *world) are(prefix string, n int, want history.RuntimeStatus) {
	w.Helper()
	w.settle()
	ids := w.instances(prefix)
	if len(ids) != n {
		w.Errorf("instances %q are %v, want %d", prefix, ids, n)
	}
	for _, id := range ids {
		w.is(id, want)
	}
}

func TestL143_RecursiveTerminationEndsTheWholeTree(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, addFamily, func(w *world) {
				w.mustStart("Family", 3, client.StartOptions{ID: "family"})
				w.are("family", 15, history.Running)
				w.terminate("family", client.TerminateOptions{Reason: "all of you", Recursive: true})
				if crash {
					w.crash()
				}
				w.are("family", 15, history.Terminated)
				for _, id := range w.instances("family") {
					if got := string(w.status(id).Output); got != `"all of you"` {
						w.Errorf("output of %s = %s, want the reason", id, got)
					}
				}
				w.are("loose", 7, history.Running) // nobody waits for them
			})
		})
	}
}

// Children that are being created while the termination arrives: it may come
// before, with or after the turn that asks for them, and must never leave one.
func TestL143_RecursiveTerminationMeetsChildrenThatAreBeingCreated(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		for i := range 20 {
			id := fmt.Sprintf("family %d", i)
			w.mustStart("LateFamily", i%3, client.StartOptions{ID: history.InstanceID(id)})
			if i%2 == 0 {
				w.settle()
			}
			w.raise(id, "Go", 0)
			for range i % 5 { // a different moment each time
				w.status(id)
			}
			w.terminate(id, client.TerminateOptions{Recursive: true})
		}
		w.settle()
		for _, id := range w.instances("family") {
			w.is(id, history.Terminated)
		}
	})
}

func TestL143_RecursiveTerminationReachesChildrenThatHaveNotBegun(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		w.mustStart("LateFamily", 2, client.StartOptions{ID: "scheduled", StartAt: time.Now().Add(time.Hour)})
		w.terminate("scheduled", client.TerminateOptions{Recursive: true})
		w.are("scheduled", 1, history.Terminated)

		// The children are suspended before they have begun.
		w.mustStart("LateFamily", 0, client.StartOptions{ID: "family"})
		w.raise("family", "Go", 0)
		w.settle()
		w.suspend("family.0", "")
		w.settle()
		w.terminate("family", client.TerminateOptions{Recursive: true})
		w.are("family", 2, history.Terminated)
	})
}

func TestL144_PlainTerminationLeavesChildrenRunning(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		w.mustStart("Family", 1, client.StartOptions{ID: "family"})
		w.settle()
		w.terminate("family", client.TerminateOptions{})
		w.is("family", history.Terminated)
		w.are("family.", 2, history.Running)
		w.raise("family.0", "Go", 0)
		if got := w.completed("family.0"); got != "1" {
			w.Errorf("output of the child = %s, want 1", got)
		}
		w.is("family", history.Terminated)
		w.settle()
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none: the result goes nowhere", n)
		}
	})
}

func TestL145_QueuedActivitiesOfATerminatedInstanceDoNotStart(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		w.options.MaxActivities = 1
		perdure.AddActivity(app, "Work", func(_ context.Context, name string) (string, error) {
			w.mark(name)
			time.Sleep(time.Minute)
			return name, nil
		})
		perdure.AddOrchestrator(app, "Both", func(ctx *perdure.OrchestrationContext, name string) ([]string, error) {
			work := perdure.ActivityRef[string, string]("Work")
			return perdure.WhenAll(ctx, work.Call(ctx, name+" 1"), work.Call(ctx, name+" 2")).Await()
		})
	}, func(w *world) {
		ended := w.mustStart("Both", "ended", client.StartOptions{})
		w.settle()
		other := w.mustStart("Both", "other", client.StartOptions{})
		w.settle()
		w.terminate(ended, client.TerminateOptions{})
		w.completed(other)
		w.settle()
		if first, second := w.marked("ended 1"), w.marked("ended 2"); first != 1 || second != 0 {
			w.Errorf("the activities of the terminated instance started %d and %d times, want 1 and 0", first, second)
		}
		if n := w.marked("other 1") + w.marked("other 2"); n != 2 {
			w.Errorf("the activities of the other instance started %d times, want 2", n)
		}
	})
}
