package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// step is the input of the activity Step: it fails as often as it says, or until
// something is marked, and then succeeds, across rewinds and processes. Its runs are
// marked with its name.
type step struct {
	Name  string
	Fails int64
	Until string
	Takes time.Duration
}

const (
	doStep   = perdure.ActivityRef[step, string]("Step")
	callLeaf = perdure.OrchestratorRef[string, string]("Leaf")
	callMid  = perdure.OrchestratorRef[string, string]("Middle")
)

func addStep(w *world, app *perdure.App) {
	perdure.AddActivity(app, "Step", func(ctx context.Context, s step) (string, error) {
		select {
		case <-time.After(s.Takes):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if w.mark(s.Name) <= s.Fails || s.Until != "" && w.marked(s.Until) == 0 {
			return "", errors.New(s.Name + " failed")
		}
		info, _ := perdure.ActivityInfoFrom(ctx)
		return fmt.Sprint(s.Name, info.Attempt), nil
	})
}

// steps registers the orchestrator Main.
func steps(main func(ctx *perdure.OrchestrationContext, in string) (string, error)) func(*world, *perdure.App) {
	return func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Main", main)
	}
}

// inOrder runs steps one after the other and returns their results.
func inOrder(ctx *perdure.OrchestrationContext, all ...step) (string, error) {
	var out []string
	for _, s := range all {
		result, err := doStep.Call(ctx, s).Await()
		if err != nil {
			return "", fmt.Errorf("in order: %w", err)
		}
		out = append(out, result)
	}
	return strings.Join(out, " "), nil
}

// rewound rewinds an instance, which must be possible.
func (w *world) rewound(id string) {
	w.Helper()
	w.ended(id, history.Failed)
	if err := w.Rewind(context.Background(), history.InstanceID(id), client.RewindOptions{Reason: "mended"}); err != nil {
		w.Fatalf("Rewind(%s) = %v", id, err)
	}
}

// ran checks how often steps have run.
func (w *world) ran(want map[string]int64) {
	w.Helper()
	for name, n := range want {
		if got := w.marked(name); got != n {
			w.Errorf("step %s ran %d times, want %d", name, got, n)
		}
	}
}

func (w *world) output(id, want string) {
	w.Helper()
	if got := w.completed(id); got != want {
		w.Errorf("output of %s = %s, want %s; status %s", id, got, want, w.json(id))
	}
}

func TestM146_OnlyFailedInstancesAreRewound(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		start := func(o client.StartOptions) string { return w.mustStart("UntilGo", nil, o) }
		ids := map[string]string{
			"Pending": start(client.StartOptions{StartAt: time.Now().Add(time.Hour)}), "Running": start(client.StartOptions{}),
			"Suspended": start(client.StartOptions{}), "Completed": start(client.StartOptions{}), "Terminated": start(client.StartOptions{}),
		}
		w.settle()
		w.raise(ids["Completed"], "Go", 1)
		w.completed(ids["Completed"])
		if err := errors.Join(w.Suspend(ctx, history.InstanceID(ids["Suspended"]), "wait"), w.Terminate(ctx, history.InstanceID(ids["Terminated"]), client.TerminateOptions{})); err != nil {
			w.Fatal(err)
		}
		w.settle()
		for status, id := range ids {
			before := w.json(id)
			_, planErr := w.PlanRewind(ctx, history.InstanceID(id), client.RewindOptions{})
			for call, err := range map[string]error{"Rewind": w.Rewind(ctx, history.InstanceID(id), client.RewindOptions{}), "PlanRewind": planErr} {
				if !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), status) {
					w.Errorf("%s(%s instance) = %v, want an ErrInvalidState that names the status", call, status, err)
				}
			}
			w.settle()
			if after := w.json(id); after != before {
				w.Errorf("a refused rewind changed %s to %s", before, after)
			}
		}
		_, planErr := w.PlanRewind(ctx, "nobody", client.RewindOptions{})
		if err := w.Rewind(ctx, "nobody", client.RewindOptions{}); !errors.Is(err, client.ErrNotFound) || !errors.Is(planErr, client.ErrNotFound) {
			w.Errorf("Rewind, PlanRewind(nobody) = %v, %v, want ErrNotFound", err, planErr)
		}
	})
}

func TestM147_OnlyWhatFailedRunsAgain(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		return inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 1}, step{Name: "C"})
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		before := w.ended(id, history.Failed)
		plan, err := w.PlanRewind(context.Background(), history.InstanceID(id), client.RewindOptions{})
		want := &client.RewindPlan{
			Instance: history.InstanceID(id), Turn: 3, Activities: 1,
			Undone: []hub.Undone{{Task: 1, Kind: history.TaskScheduled, Name: "Step", Failure: &history.Failure{Type: "*errors.errorString", Message: "B failed"}}},
		}
		if diff := cmp.Diff(want, plan); diff != "" || err != nil {
			w.Errorf("PlanRewind = %v, -want +got:\n%s", err, diff)
		}
		if after := w.ended(id, history.Failed); after.ExecutionID != before.ExecutionID {
			w.Errorf("PlanRewind changed the execution")
		}
		w.rewound(id)
		w.output(id, `"A1 B2 C1"`) // B's second run is its second attempt
		w.ran(map[string]int64{"A": 1, "B": 2, "C": 1})
		if after := w.status(id); after.ExecutionID == before.ExecutionID || !after.CreatedAt.Equal(before.CreatedAt) {
			w.Errorf("rewound execution is %s, created %s; want another than %s, created %s", after.ExecutionID, after.CreatedAt, before.ExecutionID, before.CreatedAt)
		}
		for _, ev := range w.history(id) {
			switch ev.Kind {
			case history.TaskFailed:
				w.Errorf("history still has the failure of %d", ev.TaskID)
			case history.ExecutionRewound:
				if string(ev.Payload) != `"mended"` || !slices.Equal(ev.Tasks, []int32{1}) {
					w.Errorf("history has a rewind of %v for %s, want of 1 for \"mended\"", ev.Tasks, ev.Payload)
				}
			}
		}
		w.replays(id)
		w.idle()
	})
}

// addTree registers Root, which calls Middle, which calls Leaf, where a step
// fails: once, or until what the input says is marked.
func addTree(w *world, app *perdure.App) {
	addStep(w, app)
	perdure.AddOrchestrator(app, "Leaf", func(ctx *perdure.OrchestrationContext, until string) (string, error) {
		b := step{Name: "B", Until: until}
		if until == "" {
			b.Fails = 1
		}
		return inOrder(ctx, step{Name: "A"}, b, step{Name: "C"})
	})
	perdure.AddOrchestrator(app, "Middle", func(ctx *perdure.OrchestrationContext, until string) (string, error) {
		if _, err := inOrder(ctx, step{Name: "M"}); err != nil {
			return "", err
		}
		return callLeaf.Call(ctx, until).Await()
	})
	perdure.AddOrchestrator(app, "Root", func(ctx *perdure.OrchestrationContext, until string) (string, error) {
		out, err := callMid.Call(ctx, until, perdure.WithInstanceID("middle")).Await()
		if err != nil {
			return "", err
		}
		last, err := inOrder(ctx, step{Name: "R"})
		return out + " " + last, err
	})
}

func TestM148_FailedSubOrchestrationsAreRewoundToo(t *testing.T) {
	contract(t, addTree, func(w *world) {
		id := w.mustStart("Root", "", client.StartOptions{ID: "root"})
		w.ended(id, history.Failed)
		before := w.instances("")
		plan, err := w.PlanRewind(context.Background(), history.InstanceID(id), client.RewindOptions{})
		if err != nil || !slices.Equal(plan.Rewound, []history.InstanceID{"middle"}) {
			w.Errorf("PlanRewind = %+v, %v; want middle rewound", plan, err)
		}
		w.rewound(id)
		w.output(id, `"A1 B2 C1 R1"`)
		w.ran(map[string]int64{"A": 1, "B": 2, "C": 1, "M": 1, "R": 1})
		if after := w.instances(""); !slices.Equal(before, after) {
			w.Errorf("instances after the rewind are %v, want those before: %v", after, before)
		}
		for _, id := range before {
			w.completed(id)
			w.replays(id)
		}
		w.idle()
	})
}

func TestM149_ExactlyTheFailedOfParallelActivitiesRunAgain(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		var tasks []*perdure.Task[string]
		for i, fails := range []int64{0, 1, 0, 1, 0} {
			tasks = append(tasks, doStep.Call(ctx, step{Name: fmt.Sprint("P", i, "-"), Fails: fails, Takes: time.Duration(i) * time.Minute}))
		}
		out, err := perdure.WhenAll(ctx, tasks...).Await()
		return strings.Join(out, " "), err
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.rewound(id)
		w.output(id, `"P0-1 P1-2 P2-1 P3-2 P4-1"`)
		w.ran(map[string]int64{"P0-": 1, "P1-": 2, "P2-": 1, "P3-": 2, "P4-": 1})
		w.replays(id)
	})
}

func TestM150_ExhaustedRetryIsRewound(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		policy := perdure.RetryPolicy{FirstInterval: time.Minute, MaxAttempts: 3}
		return doStep.Call(ctx, step{Name: "R", Fails: 3}, perdure.WithRetry(policy)).Await()
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.rewound(id)
		w.output(id, `"R4"`)
		w.ran(map[string]int64{"R": 4})
		w.replays(id)
	})
}

func TestM151_HandledFailuresStayHandled(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		if _, err := inOrder(ctx, step{Name: "H", Fails: 1}); err != nil {
			if _, err := inOrder(ctx, step{Name: "Instead"}); err != nil {
				return "", err
			}
		}
		return inOrder(ctx, step{Name: "F", Fails: 1})
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.rewound(id)
		w.output(id, `"F2"`)
		w.ran(map[string]int64{"H": 1, "Instead": 1, "F": 2})
		w.replays(id)
	})
}

func TestM151_AllUndoesHandledFailuresToo(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		out, err := inOrder(ctx, step{Name: "H", Fails: 1})
		if err != nil {
			out = "handled"
		}
		last, err := inOrder(ctx, step{Name: "F", Fails: 1})
		return out + " " + last, err
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		plan, err := w.PlanRewind(context.Background(), history.InstanceID(id), client.RewindOptions{All: true})
		if err != nil || len(plan.Undone) != 2 || plan.Turn != 2 || plan.Dropped != 1 {
			w.Errorf("PlanRewind(all) = %+v, %v; want both failures undone from turn 2 on, and one call dropped", plan, err)
		}
		if err := w.Rewind(context.Background(), history.InstanceID(id), client.RewindOptions{All: true}); err != nil {
			w.Fatal(err)
		}
		w.output(id, `"H2 F1"`) // F is called anew
		w.replays(id)
	})
}

func TestM152_CompensationBeforeTheEndIsNotInTheNewHistory(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		out, err := inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 1})
		if err != nil {
			_, undo := inOrder(ctx, step{Name: "Undo"})
			return "", errors.Join(err, undo)
		}
		return out, nil
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.rewound(id)
		w.output(id, `"A1 B2"`)
		w.ran(map[string]int64{"A": 1, "B": 2, "Undo": 1})
		if n := w.count(id, history.TaskScheduled); n != 2 {
			w.Errorf("history has %d activities, want 2: A and B", n)
		}
		w.replays(id)
	})
}

func TestM153_PendingTimerFiresAtItsOriginalTime(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		begun := ctx.Now()
		timer := ctx.CreateTimer(time.Hour)
		if _, err := inOrder(ctx, step{Name: "B-" + string(ctx.InstanceID()), Fails: 1}); err != nil {
			return "", err
		}
		_, err := timer.Await()
		return ctx.Now().Sub(begun).Round(time.Second).String(), err
	}), func(w *world) {
		for pause, want := range map[time.Duration]string{10 * time.Minute: `"1h0m0s"`, 2 * time.Hour: `"2h0m0s"`} {
			id := w.mustStart("Main", "", client.StartOptions{})
			w.ended(id, history.Failed)
			time.Sleep(pause)
			w.rewound(id)
			w.output(id, want)
			w.replays(id)
		}
		w.idle()
	})
}

func TestM154_ActivityInFlightAtTheFailureDeliversOnce(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		slow := doStep.Call(ctx, step{Name: "Slow", Takes: time.Hour})
		out, err := inOrder(ctx, step{Name: "B", Fails: 1})
		if err != nil {
			return "", err
		}
		late, err := slow.Await()
		return out + " " + late, err
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		time.Sleep(30 * time.Minute)
		w.rewound(id)
		w.output(id, `"B2 Slow1"`)
		if n := w.count(id, history.TaskCompleted); n != 2 {
			w.Errorf("history has %d results, want one of each activity", n)
		}
		w.replays(id)
	})
}

func TestM155_EventsForAFailedInstanceAreDeliveredAfterARewind(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			if _, err := inOrder(ctx, step{Name: "B", Fails: 1}); err != nil {
				time.Sleep(time.Minute) // orchestrators must not; here it keeps the turn from ending
				return "", err
			}
			var out []string
			for range 3 {
				word, err := perdure.WaitForExternalEvent[string](ctx, "Word").Await()
				if err != nil {
					return "", err
				}
				out = append(out, word)
			}
			return strings.Join(out, " "), nil
		})
		perdure.AddOrchestrator(app, "Sender", func(ctx *perdure.OrchestrationContext, word string) (string, error) {
			return "", perdure.SendEvent(ctx, "main", "Word", word)
		})
	}, func(w *world) {
		w.mustStart("Main", "", client.StartOptions{ID: "main"})
		time.Sleep(time.Second) // the failing turn is at work
		w.raise("main", "Word", "before")
		w.ended("main", history.Failed)
		w.run("Sender", "after")
		w.run("Sender", "later")
		if err := w.Raise(context.Background(), "main", "Word", "refused"); !errors.Is(err, client.ErrTerminal) {
			w.Errorf("Raise(Failed instance) = %v, want ErrTerminal", err)
		}
		w.settle()
		if s := w.ended("main", history.Failed); !strings.Contains(string(s.Output), "B failed") || w.unconsumed() > 0 {
			w.Errorf("the Failed instance shows %s, and %d messages wait; want its failure and none", s.Output, w.unconsumed())
		}
		w.crash()
		plan, err := w.PlanRewind(context.Background(), "main", client.RewindOptions{})
		if err != nil || plan.Delivered != 3 {
			w.Errorf("PlanRewind = %+v, %v; want 3 events delivered", plan, err)
		}
		w.rewound("main")
		w.output("main", `"before after later"`)
		w.replays("main")
	})
}

func TestM156_FixedCodeGoesOn(t *testing.T) {
	bug := func(when string) func(*world, *perdure.App) {
		return steps(func(ctx *perdure.OrchestrationContext, at string) (string, error) {
			if when == "first" && at == when {
				panic("bug")
			}
			out, err := inOrder(ctx, step{Name: at})
			if err == nil && when == "last" && at == when {
				err = errors.New("bug")
			}
			return out, err
		})
	}
	for _, when := range []string{"first", "last"} {
		t.Run(when, func(t *testing.T) {
			contract(t, bug(when), func(w *world) {
				id := w.mustStart("Main", when, client.StartOptions{Tags: map[string]string{"a": "b"}})
				w.ended(id, history.Failed)
				w.deploy(bug("never"))
				w.rewound(id)
				w.output(id, `"`+when+`1"`)
				w.ran(map[string]int64{when: 1})
				if s := w.status(id); string(s.Input) != `"`+when+`"` || s.Tags["a"] != "b" {
					w.Errorf("input = %s, tags = %v; want them as they were", s.Input, s.Tags)
				}
				w.replays(id)
			})
		})
	}
}

func TestM156_ScheduledStartThatFailedGoesOnAtOnce(t *testing.T) {
	contract(t, steps(func(*perdure.OrchestrationContext, string) (string, error) { return "", errors.New("bug") }), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		w.ended(id, history.Failed)
		w.deploy(steps(func(*perdure.OrchestrationContext, string) (string, error) { return "well", nil }))
		w.rewound(id)
		w.crash()
		w.output(id, `"well"`)
		w.idle()
	})
}

func TestM157_RewoundTwice(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		return inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 2}, step{Name: "C", Fails: 1})
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		for range 3 {
			w.rewound(id)
		}
		w.output(id, `"A1 B3 C2"`)
		w.ran(map[string]int64{"A": 1, "B": 3, "C": 2})
		if n := w.count(id, history.ExecutionRewound); n != 3 {
			w.Errorf("history has %d rewinds, want 3", n)
		}
		w.replays(id)
	})
}

func TestM158_TheEndIsForgottenWhileRunning(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		return inOrder(ctx, step{Name: "B", Fails: 1, Takes: time.Hour})
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		failed := w.ended(id, history.Failed)
		w.rewound(id)
		w.settle()
		s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{Input: true, Output: true})
		if err != nil || s.Status != history.Running || s.Output != nil || s.Failure != nil || !s.CompletedAt.IsZero() || s.UpdatedAt.Before(failed.UpdatedAt) {
			w.Errorf("status while running again = %s, output %s, failure %v, completed %s, updated %s (%v)", s.Status, s.Output, s.Failure, s.CompletedAt, s.UpdatedAt, err)
		}
		counts, err := w.engine.Count(context.Background(), history.Query{})
		if err != nil || counts[history.Failed] != 0 || counts[history.Running] != 1 {
			w.Errorf("Count = %v, %v; want 1 Running", counts, err)
		}
		w.completed(id)
	})
}

func TestM158_PendingRewindShowsInTheHistory(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		return inOrder(ctx, step{Name: "B", Fails: 1})
	}), func(w *world) {
		id := w.mustStart("Main", "in", client.StartOptions{})
		w.ended(id, history.Failed)
		w.end()
		w.startWith(nil) // nothing runs here
		w.rewound(id)
		s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{Input: true, Output: true, History: true})
		if err != nil || s.Status != history.Pending || string(s.Input) != `"in"` || w.count(id, history.ExecutionRewound) != 1 {
			w.Errorf("status = %s, %v; want Pending, its input and the rewind", w.json(id), err)
		}
		w.worker.Close()
		w.end()
		w.start()
		w.output(id, `"B2"`)
	})
}

// playCascade lets the tree fail and rewinds it.
func playCascade(w *world) {
	w.insist("start", func(ctx context.Context) error {
		_, err := w.Start(ctx, "Root", "mended", client.StartOptions{ID: "root", Reuse: client.RefuseIfExists})
		return err
	}, client.ErrAlreadyExists)
	w.ended("root", history.Failed)
	w.mark("mended")
	w.insist("rewind", func(ctx context.Context) error {
		return w.Rewind(ctx, "root", client.RewindOptions{})
	}, client.ErrInvalidState) // an earlier try was stored
	w.output("root", `"A1 B2 C1 R1"`)
	if ids := w.instances(""); len(ids) != 3 {
		w.Errorf("instances are %v, want three", ids)
	}
	for _, id := range w.instances("") {
		w.completed(id)
		if n := w.count(id, history.ExecutionRewound); n != 1 {
			w.Errorf("history of %s has %d rewinds, want 1", id, n)
		}
		w.replays(id)
	}
	w.idle()
}

func TestM159_CrashAtAnyCommitOfACascadeLeavesNoOrphan(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Store{"memory": openMemory, "embedded": openEmbedded} {
		for _, mode := range []storetest.FaultMode{storetest.NotStored, storetest.StoredButFailed} {
			t.Run(fmt.Sprint(name, "/", mode), func(t *testing.T) {
				t.Parallel()
				for n, commits := 1, 1; n <= commits; n++ {
					synctest.Test(t, func(t *testing.T) {
						faulty := storetest.Faulty(open(t))
						faulty.FailCommit(n, mode)
						w := &world{T: t, register: addTree, inner: singly{faulty}}
						w.start()
						defer w.stop()
						playCascade(w)
						commits = faulty.Commits()
					})
				}
			})
		}
	}
}

func TestRewind_LiveChildrenAreRelinked(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, round string) (string, error) {
			word, err := waitForGo(ctx, "")
			if err == nil && round == "" {
				return "", ctx.ContinueAsNew("again") // the parent's new execution must come along
			}
			return word, err
		})
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			live := child.Call(ctx, "", perdure.WithInstanceID("live"))
			done := child.Call(ctx, "", perdure.WithInstanceID("done"))
			dead := child.Call(ctx, "", perdure.WithInstanceID("dead"))
			gone := child.Call(ctx, "", perdure.WithInstanceID("gone"))
			if _, err := inOrder(ctx, step{Name: "B", Fails: 1}); err != nil {
				return "", err
			}
			first, err := live.Await()
			if err != nil {
				return "", err
			}
			second, err := done.Await()
			_, deadErr := dead.Await()
			_, goneErr := gone.Await()
			return fmt.Sprint(first, second, err, ";", deadErr, ";", goneErr), nil
		})
	}, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		for range 2 {
			w.settle()
			w.raise("done", "Go", "D")
		}
		w.completed("done")
		if err := w.Terminate(ctx, "dead", client.TerminateOptions{Reason: "enough"}); err != nil {
			w.Fatal(err)
		}
		w.ended("dead", history.Terminated)
		if _, err := w.Start(ctx, "Child", "another", client.StartOptions{ID: "gone", Reuse: client.ReplaceAny}); err != nil {
			w.Fatal(err)
		}
		w.settle()
		w.rewound(id)
		w.settle()
		for range 2 {
			w.raise("live", "Go", "L")
			w.settle()
			w.crash()
		}
		s := w.ended(id, history.Completed)
		for _, want := range []string{"LD<nil>", "enough", `\"gone\" cannot be rewound`} {
			if !strings.Contains(string(s.Output), want) && !strings.Contains(string(s.Output), strings.ReplaceAll(want, `\"`, `\\\"`)) {
				w.Errorf("output = %s, want %s in it", s.Output, want)
			}
		}
		w.replays(id)
	})
}

func TestRewind_ChildrenOfTheDroppedPartEnd(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			_, err := inOrder(ctx, step{Name: "B", Fails: 1})
			fixed := child.Call(ctx, "", perdure.WithInstanceID("fixed"))
			if err != nil {
				busy := child.Call(ctx, "", perdure.WithInstanceID("busy"))
				busy.Await() // the id is somebody else's
				child.Call(ctx, "", perdure.WithInstanceID("only"))
				ctx.CreateTimer(time.Minute).Await()
				return "", err
			}
			return fixed.Await()
		})
	}, func(w *world) {
		w.mustStart("Child", "", client.StartOptions{ID: "busy"})
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		before := w.status("fixed")
		plan, err := w.PlanRewind(context.Background(), history.InstanceID(id), client.RewindOptions{})
		if err != nil || !slices.Equal(plan.Terminated, []history.InstanceID{"fixed", "only"}) {
			w.Errorf("PlanRewind = %+v, %v; want fixed and only terminated", plan, err)
		}
		w.rewound(id)
		w.settle()
		w.ended("only", history.Terminated)
		if s := w.status("busy"); s.RuntimeStatus != history.Running {
			w.Errorf("the unrelated instance is %s, want Running", s.RuntimeStatus)
		}
		if s := w.status("fixed"); s.RuntimeStatus != history.Running || s.ExecutionID == before.ExecutionID {
			w.Errorf("the child with a fixed id is %s in execution %s, want Running in another than %s", s.RuntimeStatus, s.ExecutionID, before.ExecutionID)
		}
		w.raise("fixed", "Go", "on")
		w.output(id, `"on"`)
		w.replays(id)
	})
}

// Three rewinds in a row, deep in a tree: nothing that was approved has to be
// approved again.
func TestRewind_DeepInATreeThreeTimes(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		approved := func(ctx *perdure.OrchestrationContext) error {
			_, err := perdure.WaitForExternalEvent[string](ctx, "Approval").Await()
			return err
		}
		perdure.AddOrchestrator(app, "Leaf", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			deadline := ctx.CreateTimer(24 * time.Hour)
			if _, err := ctx.CreateTimer(time.Minute).Await(); err != nil {
				return "", err
			}
			if _, err := inOrder(ctx, step{Name: "Handled", Fails: 1}); err != nil {
				if _, err := inOrder(ctx, step{Name: "Instead"}); err != nil {
					return "", err
				}
			}
			if err := approved(ctx); err != nil {
				return "", err
			}
			out, err := inOrder(ctx, step{Name: "L1", Fails: 1}, step{Name: "L2", Fails: 1})
			deadline.Cancel()
			return out, err
		})
		perdure.AddOrchestrator(app, "Middle", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			if err := approved(ctx); err != nil {
				return "", err
			}
			leaf := callLeaf.Call(ctx, "", perdure.WithInstanceID("leaf"))
			side := doStep.Call(ctx, step{Name: "Side"})
			out, err := leaf.Await()
			if err != nil {
				return "", err
			}
			also, err := side.Await()
			return out + " " + also, err
		})
		perdure.AddOrchestrator(app, "Root", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			out, err := callMid.Call(ctx, "", perdure.WithInstanceID("middle")).Await()
			if err != nil {
				return "", err
			}
			if err := approved(ctx); err != nil { // it came while everything had failed, or before
				return "", err
			}
			last, err := inOrder(ctx, step{Name: "R", Fails: 1})
			return out + " " + last, err
		})
	}, func(w *world) {
		id := w.mustStart("Root", "", client.StartOptions{ID: "root"})
		w.settle()
		for _, id := range []string{"root", "middle"} {
			w.raise(id, "Approval", "yes")
		}
		time.Sleep(2 * time.Minute)
		w.raise("leaf", "Approval", "yes")
		for range 3 {
			w.rewound(id)
			w.settle()
			w.crash()
		}
		w.output(id, `"L12 L22 Side1 R2"`)
		w.ran(map[string]int64{"Handled": 1, "Instead": 1, "L1": 2, "L2": 2, "Side": 1, "R": 2})
		for id, rewinds := range map[string]int{"root": 3, "middle": 2, "leaf": 2} {
			if n := w.count(id, history.ExecutionRewound); n != rewinds {
				w.Errorf("history of %s has %d rewinds, want %d", id, n, rewinds)
			}
			w.replays(id)
		}
		w.idle()
	})
}

// slowly is a store whose commits take a second.
type slowly struct{ store.Store }

func (s slowly) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	return storetest.JoinWith(ctx, s.Store, self, func(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
		time.Sleep(time.Second)
		return t.Commit(ctx, lane, deltas)
	})
}

// A failure that is decided and not durable yet can be rewound: the rewind waits
// for it.
func TestRewind_WhileTheFailureIsBeingStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, inner: slowly{openMemory(t)}, register: steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 1})
		})}
		w.start()
		defer w.stop()
		id := w.mustStart("Main", "", client.StartOptions{})
		for w.marked("B") == 0 {
			time.Sleep(time.Millisecond)
		}
		w.settle() // the failing turn is decided and waits for its commit
		if err := w.Rewind(context.Background(), history.InstanceID(id), client.RewindOptions{}); err != nil {
			t.Fatalf("Rewind = %v while the failure is being stored", err)
		}
		w.output(id, `"A1 B2"`)
		w.replays(id)
	})
}

func TestRewind_FailedInstanceKeepsAThousandEvents(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return inOrder(ctx, step{Name: "B", Fails: 1})
		})
		perdure.AddOrchestrator(app, "Sender", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			for range n {
				if err := perdure.SendEvent(ctx, "main", "Word", 1); err != nil {
					return "", err
				}
			}
			return "", nil
		})
	}, func(w *world) {
		w.mustStart("Main", "", client.StartOptions{ID: "main"})
		w.ended("main", history.Failed)
		for _, n := range []int{600, 600, 1} {
			w.run("Sender", n)
			w.settle()
		}
		if n := w.count("main", history.EventRaised); n != 1000 || w.unconsumed() != 0 {
			w.Errorf("%d events are kept and %d messages wait, want 1000 and none", n, w.unconsumed())
		}
		w.rewound("main")
		w.output("main", `"B2"`)
	})
}

// plan is the input of a random program that fails here and there.
type plan struct {
	Seed  uint64
	Depth int
	Fails bool
}

const callPlan = perdure.OrchestratorRef[plan, string]("Plan")

// runPlan does what its seed says; what it returns does not depend on time.
func runPlan(ctx *perdure.OrchestrationContext, p plan) (string, error) {
	random := rand.New(rand.NewPCG(p.Seed, uint64(p.Depth)))
	n := 0
	next := func(fails int64) step {
		n++
		if !p.Fails {
			fails = 0
		}
		return step{Name: fmt.Sprint(ctx.InstanceID(), "-", n), Fails: fails, Takes: time.Duration(random.IntN(100)) * time.Millisecond}
	}
	fails := func() int64 { return max(0, random.Int64N(6)-3) }
	name := func(result string) string { return result[strings.LastIndex(result, "-"):len(result)-1] + ";" } // without instance and attempt
	var out strings.Builder
	timer := ctx.CreateTimer(time.Duration(random.IntN(1000)) * time.Millisecond)
	for range 2 + random.IntN(4) {
		switch random.IntN(6) {
		case 0:
			result, err := doStep.Call(ctx, next(fails())).Await()
			if err != nil {
				return "", err
			}
			out.WriteString(name(result))
		case 1:
			var tasks []*perdure.Task[string]
			for range 2 + random.IntN(3) {
				tasks = append(tasks, doStep.Call(ctx, next(fails())))
			}
			results, err := perdure.WhenAll(ctx, tasks...).Await()
			if err != nil {
				return "", fmt.Errorf("all: %w", err)
			}
			for _, result := range results {
				out.WriteString(name(result))
			}
		case 2:
			s := next(0)
			s.Fails = 1 << 40
			if _, err := doStep.Call(ctx, s).Await(); err == nil {
				return "", errors.New("want a failure")
			}
			out.WriteString("handled;")
		case 3:
			policy := perdure.RetryPolicy{FirstInterval: 50 * time.Millisecond, MaxAttempts: 2}
			result, err := doStep.Call(ctx, next(fails()+1), perdure.WithRetry(policy)).Await()
			if err != nil {
				ctx.CreateTimer(10 * time.Millisecond).Await()
				return "", err
			}
			out.WriteString(name(result))
		case 4:
			word, err := perdure.WaitForExternalEvent[string](ctx, "Word", perdure.WithTimeout(time.Hour), perdure.WithDefault("none")).Await()
			if err != nil {
				return "", err
			}
			out.WriteString(word + ";")
		case 5:
			if p.Depth == 2 {
				continue
			}
			below := plan{Seed: random.Uint64(), Depth: p.Depth + 1, Fails: p.Fails}
			side := doStep.Call(ctx, next(fails()))
			result, err := callPlan.Call(ctx, below).Await()
			if err != nil {
				return "", err
			}
			also, err := side.Await()
			if err != nil {
				return "", err
			}
			out.WriteString("(" + result + name(also) + ")")
		}
	}
	if _, err := timer.Await(); err != nil {
		return "", err
	}
	return out.String(), nil
}

func TestRewind_RandomProgramsEndAsIfNothingHadFailed(t *testing.T) {
	seed := newSeed(t)
	n := 60
	if testing.Short() || raceDetector {
		n = 15
	}
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Plan", runPlan)
	}, func(w *world) {
		rewinds := 0
		for i := range n {
			p := plan{Seed: seed + uint64(i)}
			start := func(id string) {
				w.mustStart("Plan", p, client.StartOptions{ID: history.InstanceID(id)})
				for k := range 4 {
					word := fmt.Sprint("word", k)
					err := w.Raise(context.Background(), history.InstanceID(id), "Word", word)
					for errors.Is(err, client.ErrTerminal) && w.status(id).RuntimeStatus == history.Failed { // it was quicker
						w.rewound(id)
						err = w.Raise(context.Background(), history.InstanceID(id), "Word", word)
					}
					if err != nil && w.status(id).RuntimeStatus != history.Completed { // then it wants no more words
						w.Fatalf("Raise(%s) = %v", id, err)
					}
				}
			}
			smooth, rough := fmt.Sprint("smooth", i), fmt.Sprint("rough", i)
			start(smooth)
			want := w.completed(smooth)
			p.Fails = true
			start(rough)
			for w.status(rough).RuntimeStatus != history.Completed {
				if _, err := w.engine.Wait(context.Background(), history.InstanceID(rough)); err != nil {
					w.Fatalf("Wait(%s) = %v", rough, err)
				}
				if w.status(rough).RuntimeStatus != history.Failed {
					continue
				}
				if rewinds++; rewinds > 100*n {
					w.Fatalf("%s is rewound without end: %s", rough, w.json(rough))
				}
				w.rewound(rough)
				if rewinds%3 == 0 {
					w.settle()
					w.crash()
				}
			}
			w.output(rough, want)
			for _, id := range w.instances(rough) {
				w.replays(id)
			}
		}
		if rewinds < n {
			w.Errorf("%d rewinds of %d programs; they test less than they should", rewinds, n)
		}
		w.idle()
	})
}
