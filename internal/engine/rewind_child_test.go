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

// addFragile registers Parent, which calls Frail, with an id or without, between two
// steps. Frail fails until its input is marked; Other only waits.
func addFragile(w *world, app *perdure.App) {
	addStep(w, app)
	perdure.AddOrchestrator(app, "Frail", func(ctx *perdure.OrchestrationContext, s string) (string, error) {
		switch _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); {
		case err != nil:
			return "", err
		case w.marked("mended") == 0:
			return "", errors.New("frail")
		}
		return s + "/" + ctx.Tags()["color"], nil
	})
	perdure.AddOrchestrator(app, "Other", waitForGo)
	perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, id string) (string, error) {
		before, err := inOrder(ctx, step{Name: "A"})
		if err != nil {
			return "", err
		}
		call := perdure.OrchestratorRef[string, string]("Frail").Call(ctx, "in", perdure.WithInstanceID(perdure.InstanceID(id)), perdure.WithTags(map[string]string{"color": "blue"}))
		aside := doStep.Call(ctx, step{Name: "Aside"})
		out, err := call.Await()
		if err != nil {
			return "", err
		}
		other, err := aside.Await()
		if err != nil {
			return "", err
		}
		after, err := inOrder(ctx, step{Name: "Z"})
		return fmt.Sprint(before, " ", other, " ", out, " ", after), err
	})
}

// kid returns the id of the newest child of p.
func (w *world) kid(p string) string {
	w.Helper()
	kids := w.childrenOf(p)
	if len(kids) == 0 {
		w.Fatalf("%s has no child", p)
	}
	return kids[0]
}

// What became of a failed child decides what a rewind of its parent does, the plan
// says the same, and in the end the parent completes: a call whose child is gone or
// was terminated is made again.
func TestRewind_WhatBecameOfTheChildDecides(t *testing.T) {
	type part struct{ again, rewound, kept []string }
	for _, tt := range []struct {
		name, id string
		before   func(w *world, kid string) // the child ends
		then     func(w *world, kid string) // before the rewind
		want     func(kid string) part
		fresh    bool // another child is started
	}{
		{name: "failed", want: func(kid string) part { return part{rewound: []string{kid}} }},
		{name: "purged", fresh: true, then: func(w *world, kid string) { w.purgeOne(kid) }, want: func(kid string) part { return part{again: []string{kid}} }},
		{name: "purged, with an id", id: "own", fresh: true, then: func(w *world, kid string) { w.purgeOne(kid) }, want: func(kid string) part { return part{again: []string{kid}} }},
		{
			name: "terminated", fresh: true, before: func(w *world, kid string) { w.terminate(kid, client.TerminateOptions{Reason: "oops"}) },
			want: func(kid string) part { return part{again: []string{kid}} },
		},
		{
			name: "terminated, with an id", id: "own", fresh: true, before: func(w *world, kid string) { w.terminate(kid, client.TerminateOptions{Reason: "oops"}) },
			want: func(kid string) part { return part{again: []string{kid}} },
		},
		{
			name: "replaced", fresh: true, then: func(w *world, kid string) { w.mustStart("Other", "", client.StartOptions{ID: history.InstanceID(kid)}) },
			want: func(kid string) part { return part{again: []string{kid}} },
		},
		{
			name: "mended alone", then: func(w *world, kid string) { w.rewound(kid); w.settle() },
			want: func(kid string) part { return part{kept: []string{kid}} },
		},
	} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/crash=%t", tt.name, crash), func(t *testing.T) {
				contract(t, addFragile, func(w *world) {
					ctx := context.Background()
					w.mustStart("Parent", tt.id, client.StartOptions{ID: "p"})
					w.settle()
					kid := w.kid("p")
					if tt.before != nil {
						tt.before(w, kid)
					} else {
						w.raise(kid, "Go", "")
					}
					w.ended("p", history.Failed)
					w.mark("mended")
					if tt.then != nil {
						tt.then(w, kid)
					}
					if x, err := w.Explain(ctx, "p"); err != nil || x.Action != "rewind" || string(x.Target) != "p" {
						w.Errorf("Explain = %+v, %v; want rewind of p", x, err)
					}
					plan, err := w.PlanRewind(ctx, "p", client.RewindOptions{})
					if err != nil {
						w.Fatalf("PlanRewind = %v", err)
					}
					texts := func(ids []history.InstanceID) (all []string) {
						for _, id := range ids {
							all = append(all, string(id))
						}
						return all
					}
					want := tt.want(kid)
					if got := (part{texts(plan.Again), texts(plan.Rewound), texts(plan.Kept)}); !slices.Equal(got.again, want.again) || !slices.Equal(got.rewound, want.rewound) || !slices.Equal(got.kept, want.kept) {
						w.Errorf("plan = %+v, want %+v", got, want)
					}
					time.Sleep(time.Second) // numbers grow with time
					w.rewound("p")
					if crash {
						w.crash()
					}
					w.settle()
					now := w.kid("p")
					if fresh := now != kid; fresh != (tt.fresh && tt.id == "") {
						w.Errorf("the child is %s, it was %s; want a fresh one: %t", now, kid, tt.fresh && tt.id == "")
					}
					if tt.fresh {
						w.raise(now, "Go", "")
					}
					w.output("p", `"A1 Aside1 in/blue Z1"`)
					w.ran(map[string]int64{"A": 1, "Aside": 1})
					if n := w.marked("Z"); n != 1 && !(crash && n == 2) { // what runs at a crash runs again
						w.Errorf("step Z ran %d times, want 1, or 2 around a crash", n)
					}
					w.replays("p")
					w.checkArchive("p")
				})
			})
		}
	}
}

// purgeOne removes one instance.
func (w *world) purgeOne(id string) {
	w.Helper()
	w.settle()
	if result, err := w.Purge(context.Background(), history.InstanceID(id), client.PurgeOptions{}); err != nil || result.Deleted != 1 {
		w.Fatalf("Purge(%s) = %+v, %v", id, result, err)
	}
}

// checkArchive wants what was recorded to be exported and imported.
func (w *world) checkArchive(id string) {
	w.Helper()
	archive, err := w.Export(context.Background(), history.InstanceID(id))
	if err != nil {
		w.Fatalf("Export(%s) = %v", id, err)
	}
	if _, err := w.Import(context.Background(), archive, client.ImportOptions{ID: history.InstanceID(id + " copy")}); err != nil {
		w.Errorf("Import of %s = %v", id, err)
	}
}

// A child that was started again can fail again, be purged again, and is then started
// again: as often as it takes, and what was done is not done twice.
func TestRewind_AgainAndAgain(t *testing.T) {
	contract(t, addFragile, func(w *world) {
		w.mustStart("Parent", "", client.StartOptions{ID: "p"})
		seen := make(map[string]bool)
		for round := range 4 {
			w.settle()
			kid := w.kid("p")
			if seen[kid] {
				w.Errorf("round %d: the child is %s once more", round, kid)
			}
			seen[kid] = true
			w.raise(kid, "Go", "")
			w.ended("p", history.Failed)
			w.purgeOne(kid)
			time.Sleep(time.Second)
			if round == 3 {
				w.mark("mended")
			}
			w.rewound("p")
			w.checkArchive("p")
		}
		w.settle()
		w.raise(w.kid("p"), "Go", "")
		w.output("p", `"A1 Aside1 in/blue Z1"`)
		w.ran(map[string]int64{"A": 1, "Aside": 1, "Z": 1})
		w.replays("p")
	})
}

// The call of an id is made again although a later call of the same id, which the
// rewind drops, has a child under way: that one ends first.
func TestRewind_AnIDOfALaterCallIsFree(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Kid", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			if w.mark("kid") == 1 {
				return 0, errors.New("first")
			}
			return perdure.WaitForExternalEvent[int](ctx, "Go").Await()
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ int) (n int, err error) {
			if n, err = callKid.Call(ctx, 0, perdure.WithInstanceID("kid")).Await(); err == nil {
				return n, nil
			}
			kid := callKid.Call(ctx, 0, perdure.WithInstanceID("kid"))
			if _, err := perdure.WhenAny(ctx, kid, ctx.CreateTimer(time.Second)).Await(); err != nil {
				return 0, err
			}
			return 0, errors.New("neither")
		})
	}, func(w *world) {
		w.mustStart("Parent", 0, client.StartOptions{ID: "p"})
		w.ended("p", history.Failed)
		w.is("kid", history.Running)
		plan, err := w.PlanRewind(context.Background(), "p", client.RewindOptions{})
		if err != nil || !slices.Equal(plan.Again, []history.InstanceID{"kid"}) || !slices.Equal(plan.Terminated, []history.InstanceID{"kid"}) {
			w.Errorf("PlanRewind = %+v, %v; want kid terminated and started again", plan, err)
		}
		w.rewound("p")
		w.settle()
		w.raise("kid", "Go", 7)
		w.output("p", "7")
		w.idle()
	})
}

// An orchestrator gave one id to two calls, and the second was refused. A rewind lets
// the child of the first go on, so that the second would be refused again.
func TestRewind_AnIDBelongsToOneCall(t *testing.T) {
	contract(t, addTwins, func(w *world) {
		ctx := context.Background()
		w.mustStart("Parent", 0, client.StartOptions{ID: "p"})
		w.ended("p", history.Failed)
		w.raise("kid", "Go", -1)
		w.ended("kid", history.Failed)
		before := w.json("p")
		_, planErr := w.PlanRewind(ctx, "p", client.RewindOptions{})
		for what, err := range map[string]error{"PlanRewind": planErr, "Rewind": w.Rewind(ctx, "p", client.RewindOptions{})} {
			if !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), `the call of "kid" that failed cannot be made again: that id belongs to the child of another call of "p"`) {
				w.Errorf("%s = %v, want ErrInvalidState that says whose id it is", what, err)
			}
		}
		if after := w.json("p"); after != before {
			w.Errorf("a refused rewind changed %s to %s", before, after)
		}
		w.idle()
	})
}

// The child of the first call has ended: it tells its end before the second call takes
// its id.
func TestRewind_AChildTellsItsEndBeforeItIsReplaced(t *testing.T) {
	contract(t, addTwins, func(w *world) {
		w.mustStart("Parent", 0, client.StartOptions{ID: "p"})
		w.ended("p", history.Failed)
		w.raise("kid", "Go", 3)
		w.completed("kid")
		plan, err := w.PlanRewind(context.Background(), "p", client.RewindOptions{})
		if kid := []history.InstanceID{"kid"}; err != nil || !slices.Equal(plan.Kept, kid) || !slices.Equal(plan.Again, kid) {
			w.Errorf("PlanRewind = %+v, %v; want kid kept for one call and started again for the other", plan, err)
		}
		w.rewound("p")
		w.settle()
		w.raise("kid", "Go", 4)
		w.output("p", "34")
		w.idle()
	})
}

// A call was refused since the child of an earlier execution of the same parent lives.
// That child is not the call's, although the call's number is the same.
func TestRewind_ChildrenOfEarlierExecutionsAreOthers(t *testing.T) {
	contract(t, addTwins, func(w *world) {
		w.mustStart("Successor", true, client.StartOptions{ID: "p"})
		w.ended("p", history.Failed)
		if err := w.Rewind(context.Background(), "p", client.RewindOptions{}); !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), `"kid" that failed cannot be made again: that id belongs to another instance now, which is Running`) {
			w.Errorf("Rewind = %v, want ErrInvalidState", err)
		}
		w.raise("kid", "Go", 3)
		w.completed("kid")
		w.rewound("p")
		w.settle()
		w.raise("kid", "Go", 4)
		w.output("p", "4")
		w.idle()
	})
}

// addTwins adds parents that give one id to two calls: in one execution, or in two.
func addTwins(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Kid", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		n, err := perdure.WaitForExternalEvent[int](ctx, "Go").Await()
		if n < 0 {
			return 0, errors.New("as told")
		}
		return n, err
	})
	call := func(ctx *perdure.OrchestrationContext) *perdure.Task[int] {
		return callKid.Call(ctx, 0, perdure.WithInstanceID("kid"))
	}
	perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		first := call(ctx)
		second, err := call(ctx).Await()
		if err != nil {
			return 0, err
		}
		n, err := first.Await()
		return 10*n + second, err
	})
	perdure.AddOrchestrator(app, "Successor", func(ctx *perdure.OrchestrationContext, before bool) (int, error) {
		kid := call(ctx)
		if before {
			return 0, ctx.ContinueAsNew(false)
		}
		return kid.Await()
	})
}

// An id that somebody else has now cannot be used again: plan, rewind and
// explanation say so, and none of them changes anything.
func TestRewind_RefusedWhereItCannotWork(t *testing.T) {
	contract(t, addFragile, func(w *world) {
		ctx := context.Background()
		w.mustStart("Parent", "own", client.StartOptions{ID: "p"})
		w.settle()
		w.raise("own", "Go", "")
		w.ended("p", history.Failed)
		w.mustStart("Other", "", client.StartOptions{ID: "own"})
		w.settle()
		before := w.json("p")
		_, planErr := w.PlanRewind(ctx, "p", client.RewindOptions{})
		for what, err := range map[string]error{"PlanRewind": planErr, "Rewind": w.Rewind(ctx, "p", client.RewindOptions{})} {
			if !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), `"own" that failed cannot be made again`) {
				w.Errorf("%s = %v, want ErrInvalidState that names the id", what, err)
			}
		}
		if x, err := w.Explain(ctx, "p"); err != nil || x.Action != "restart" || !strings.Contains(x.Summary, `"own"`) {
			w.Errorf("Explain = %+v, %v; want restart, and why", x, err)
		}
		if after := w.json("p"); after != before {
			w.Errorf("a refused rewind changed %s to %s", before, after)
		}
		w.raise("own", "Go", "x")
		w.completed("own")
		w.mark("mended")
		w.rewound("p")
		w.settle()
		w.raise("own", "Go", "")
		w.output("p", `"A1 Aside1 in/blue Z1"`)
	})
}

// Explain does not send anybody to a rewind after which the same wait is over
// already, be it the instance's own or its child's.
func TestExplain_NoRewindOfAWaitThatTimedOut(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Waits", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			out, err := perdure.WaitForExternalEvent[string](ctx, "Never", perdure.WithTimeout(time.Minute)).Await()
			if err != nil {
				return "", fmt.Errorf("no approval: %w", err)
			}
			return out, nil
		})
		perdure.AddOrchestrator(app, "Above", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return perdure.OrchestratorRef[string, string]("Waits").Call(ctx, "", perdure.WithInstanceID("below")).Await()
		})
	}, func(w *world) {
		w.mustStart("Waits", "", client.StartOptions{ID: "alone"})
		w.mustStart("Above", "", client.StartOptions{ID: "above"})
		w.ended("alone", history.Failed)
		w.ended("above", history.Failed)
		for _, id := range []string{"alone", "above", "below"} {
			x, err := w.Explain(context.Background(), history.InstanceID(id))
			if err != nil || x.Action != "restart" || !strings.Contains(x.Summary, "A rewind would not help") {
				w.Errorf("Explain(%s) = %+v, %v; want restart, since a rewind would not help", id, x, err)
			}
		}
	})
}
