package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// explained explains an instance; the action, its target and a part of the
// summary must be as given.
func (w *world) explained(id, action, target, summary string) hub.Explanation {
	w.Helper()
	x, err := w.engine.Explain(context.Background(), history.InstanceID(id))
	advice.Render(&x)
	if err != nil || x.Action != action || string(x.Target) != target || !strings.Contains(x.Summary, summary) {
		w.Errorf("Explain(%s) = %+v, %v; want %s of %s, %q", id, x, err, action, target, summary)
	}
	return x
}

func TestExplainLive(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Fail", func(context.Context, string) (string, error) { return "", errors.New("out of stock") })
		perdure.AddOrchestrator(app, "Kid", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			got, err := perdure.WaitForExternalEvent[string](ctx, "Approval", perdure.WithTimeout(time.Hour)).Await()
			if err != nil {
				return "", err
			}
			if _, err := ctx.CreateTimer(time.Minute).Await(); err != nil {
				return "", err
			}
			return perdure.ActivityRef[string, string]("Fail").Call(ctx, got).Await()
		})
		perdure.AddOrchestrator(app, "Boss", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.OrchestratorRef[string, string]("Kid").Call(ctx, in, perdure.WithInstanceID("kid")).Await()
		})
		perdure.AddOrchestrator(app, "Lost", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.ActivityRef[string, string]("Nowhere").Call(ctx, in).Await()
		})
	}
	contract(t, register, func(w *world) {
		ctx := context.Background()
		if _, err := w.engine.Explain(ctx, "nobody"); !errors.Is(err, hub.ErrNotFound) {
			w.Errorf("Explain(nobody) = %v, want ErrNotFound", err)
		}
		w.mustStart("Boss", "", client.StartOptions{ID: "boss"})
		w.settle()
		x := w.explained("boss", "raise-event", "kid", `"Approval" until`)
		if want := "perdure raise-event --id kid --event-name Approval"; x.Advice != want {
			w.Errorf("advice = %q, want %q", x.Advice, want)
		}
		if y := w.explained("kid", "raise-event", "kid", "Approval"); len(y.Waits) != 1 || y.Waits[0].Due.IsZero() {
			w.Errorf("waits of the kid = %+v, want the event with its deadline, once", y.Waits)
		}
		if err := w.engine.Suspend(ctx, "kid", "audit"); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.settle()
		w.explained("boss", "resume", "kid", "audit")
		if err := w.engine.Resume(ctx, "kid", ""); err != nil {
			w.Fatalf("Resume = %v", err)
		}
		w.raise("kid", "Approval", "x")
		w.settle()
		// The timer of the wait was cancelled: only the other one counts.
		if y := w.explained("kid", "wait", "kid", "timer"); len(y.Waits) != 1 || y.Waits[0].Kind != "timer" {
			w.Errorf("waits of the kid = %+v, want one timer", y.Waits)
		}
		w.ended("boss", history.Failed)
		w.explained("kid", "rewind", "boss", `the activity "Fail" failed: out of stock. A rewind of "boss"`)
		w.explained("boss", "rewind", "boss", `the activity "Fail" of "kid" failed: out of stock.`)

		w.mustStart("Lost", "", client.StartOptions{ID: "lost"})
		w.settle()
		w.explained("lost", "deploy", "lost", "Nowhere")
		w.mustStart("Boss", "", client.StartOptions{ID: "later", StartAt: time.Now().Add(time.Hour)})
		w.explained("later", "wait", "later", "scheduled")
	})
}

// A wait has been waiting since the turn that made it, whatever came meanwhile, and
// events that nobody waits for are named.
func TestExplainTellsSinceWhenAndWhatIsKept(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Careful", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			perdure.WaitForExternalEvent[string](ctx, "Unwatched")
			any := perdure.WhenAny(ctx,
				perdure.WaitForExternalEvent[string](ctx, "Approval", perdure.WithTimeout(24*time.Hour)),
				perdure.WaitForExternalEvent[string](ctx, "Stop"))
			_, err := any.Await()
			return "", err
		})
	}, func(w *world) {
		id := w.mustStart("Careful", "", client.StartOptions{})
		w.settle()
		made := w.history(id)[0].At
		time.Sleep(time.Minute)
		w.raise(id, "Aproval", "x")
		w.settle()
		oldest := w.history(id)[len(w.history(id))-2].At
		time.Sleep(time.Minute)
		w.raise(id, "APROVAL", "x")
		w.raise(id, "Unwatched", "x")
		w.settle()
		for _, rebuilt := range []bool{false, true} {
			x := w.explained(id, "raise-event", id, `"Approval" until`)
			if len(x.Waits) != 2 || x.Waits[0].Name != "Approval" || x.Waits[1].Name != "Stop" {
				t.Fatalf("rebuilt %t: waits = %+v, want Approval and Stop", rebuilt, x.Waits)
			}
			for _, wait := range x.Waits {
				if !wait.Since.Equal(made) {
					w.Errorf("rebuilt %t: it waits for %s since %s, want %s", rebuilt, wait.Name, wait.Since, made)
				}
			}
			if due := x.Waits[0].Due; !due.Equal(made.Add(24*time.Hour)) || !x.Waits[1].Due.IsZero() {
				w.Errorf("rebuilt %t: waits = %+v, want the limit of Approval and none of Stop", rebuilt, x.Waits)
			}
			if len(x.Kept) != 2 || x.Kept[0].Event != "Aproval" || x.Kept[0].Count != 2 || !x.Kept[0].Since.Equal(oldest) ||
				x.Kept[1].Event != "Unwatched" || x.Kept[1].Count != 1 {
				w.Errorf("rebuilt %t: kept = %+v, want two of Aproval since %s and one of Unwatched", rebuilt, x.Kept, oldest)
			}
			w.crash()
			w.settle()
		}
	})
}

// The deepest failure is told of every instance of a failed tree, and what is
// advised moves all of it.
func TestExplainFailedTree(t *testing.T) {
	contract(t, addTree, func(w *world) {
		w.mustStart("Root", "mended", client.StartOptions{ID: "root"})
		w.ended("root", history.Failed)
		ids := w.instances("")
		if len(ids) != 3 {
			w.Fatalf("instances = %v, want three", ids)
		}
		for _, id := range ids {
			x := w.explained(id, "rewind", "root", `B failed.`)
			if !strings.Contains(x.Summary, `the activity "Step"`) || x.Advice != "perdure rewind --id root" || len(x.Waits) != 0 {
				w.Errorf("Explain(%s) = %+v, want the activity, and the rewind of root", id, x)
			}
			if above := strings.Contains(x.Summary, `A rewind of "root" rewinds it too.`); above != (id != "root") {
				w.Errorf("summary of %s = %s", id, x.Summary)
			}
		}
		w.mark("mended")
		w.rewound("root")
		w.completed("root")
		for _, id := range ids {
			w.explained(id, "none", id, "completed")
		}
	})
}

// A Failed child that no rewind from above reaches: its parent went on, failed of
// something else, is gone.
func TestExplainFailedChildOfAnotherFate(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Kid", func(*perdure.OrchestrationContext, string) (string, error) {
			return "", errors.New("broken toy")
		})
		perdure.AddOrchestrator(app, "Boss", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			_, err := perdure.OrchestratorRef[string, string]("Kid").Call(ctx, in, perdure.WithInstanceID("kid")).Await()
			if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
				return "", err
			}
			if _, err := inOrder(ctx, step{Name: "S", Fails: 1}); err != nil {
				return "", err
			}
			return "", err
		})
	}, func(w *world) {
		ctx := context.Background()
		w.mustStart("Boss", "", client.StartOptions{ID: "boss"})
		w.settle()
		w.explained("kid", "rewind", "kid", `: broken toy. A rewind is for itself alone: its parent, "boss" (Running), will not`)
		w.raise("boss", "Go", nil)
		w.ended("boss", history.Failed)
		w.explained("boss", "rewind", "boss", `because the activity "Step" failed: S failed.`)
		w.explained("kid", "rewind", "kid", `its parent, "boss" (Failed), will not`)
		w.rewound("boss") // S succeeds now; what is left is the kid's failure
		w.ended("boss", history.Failed)
		w.explained("boss", "rewind", "boss", `because its child "kid" (Kid) failed: broken toy.`)
		w.explained("kid", "rewind", "boss", `A rewind of "boss" rewinds it too.`)
		if _, err := w.Purge(ctx, "boss", client.PurgeOptions{MustExist: true}); err != nil {
			w.Fatalf("Purge = %v", err)
		}
		w.explained("kid", "rewind", "kid", `its parent, "boss" (no longer in this hub), will not`)
	})
}

// Code that failed of itself fails again as it is: mended code comes first, then the
// rewind. What a call brought about is done anew by the rewind alone.
func TestExplainSaysToMendTheCodeFirst(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		below := func(ctx *perdure.OrchestrationContext, name string) error {
			_, err := perdure.OrchestratorRef[string, string](name).Call(ctx, "").Await()
			return err
		}
		fail := func(ctx *perdure.OrchestrationContext, fails int64) error {
			_, err := doStep.Call(ctx, step{Name: string(ctx.InstanceID()), Fails: fails}).Await()
			return err
		}
		for name, run := range map[perdure.OrchestratorRef[string, string]]func(ctx *perdure.OrchestrationContext) error{
			"Panics":            func(*perdure.OrchestrationContext) error { panic("boom") },
			"Refuses":           func(*perdure.OrchestrationContext) error { return errors.New("no") },
			"RefusesLater":      func(ctx *perdure.OrchestrationContext) error { return cmp.Or(fail(ctx, 0), errors.New("no")) },
			"PanicsAfterAFault": func(ctx *perdure.OrchestrationContext) error { panic(fail(ctx, 1).Error()) },
			"AbovePanics":       func(ctx *perdure.OrchestrationContext) error { return below(ctx, "Panics") },
			"Calls":             func(ctx *perdure.OrchestrationContext) error { return fail(ctx, 1) },
			"AboveCalls":        func(ctx *perdure.OrchestrationContext) error { return below(ctx, "Calls") },
			"RewordsAFault":     func(ctx *perdure.OrchestrationContext) error { return errors.New(fail(ctx, 1).Error()) },
		} {
			perdure.AddOrchestrator(app, name, func(ctx *perdure.OrchestrationContext, _ string) (string, error) { return "", run(ctx) })
		}
	}, func(w *world) {
		for name, broken := range map[string]string{
			"Panics": "Panics", "Refuses": "Refuses", "RefusesLater": "RefusesLater", "PanicsAfterAFault": "PanicsAfterAFault", "AbovePanics": "Panics",
			"Calls": "", "AboveCalls": "", "RewordsAFault": "",
		} {
			w.mustStart(name, "", client.StartOptions{ID: history.InstanceID(name)})
			w.ended(name, history.Failed)
			summary, advice := "", "perdure rewind --id "+name
			if broken != "" {
				summary, advice = fmt.Sprintf(" The code of %q, as it is, would fail again.", broken), "Deploy mended code, then: "+advice
			}
			if x := w.explained(name, "rewind", name, summary); x.Advice != advice || broken == "" && strings.Contains(x.Summary, "fail again") {
				w.Errorf("Explain(%s) = %s %s; want the advice %q", name, x.Summary, x.Advice, advice)
			}
		}
	})
}

func TestExplainFailuresInParallel(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		a, b := doStep.Call(ctx, step{Name: "A", Fails: 1}), doStep.Call(ctx, step{Name: "B", Fails: 1})
		_, err := perdure.WhenAll(ctx, a, b).Await()
		return "", err
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		w.explained(id, "rewind", id, `the activity "Step" failed (and 1 more): A failed.`)
	})
}

func TestExplainRetry(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		policy := perdure.RetryPolicy{FirstInterval: time.Hour, MaxAttempts: 3}
		return doStep.Call(ctx, step{Name: "R", Fails: 2}, perdure.WithRetry(policy)).Await()
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		for _, want := range []struct{ attempt, due string }{{"1", "2000-01-01T01:00:00Z"}, {"2", "2000-01-01T02:00:00Z"}} {
			w.settle()
			x := w.explained(id, "wait", id, "due at "+want.due+`, that was set when attempt `+want.attempt+` of the activity "Step" failed: R failed.`)
			if len(x.Waits) != 1 || x.Waits[0].Kind != "timer" || x.Waits[0].Name != "Step" || !strings.Contains(x.Waits[0].Problem, "attempt "+want.attempt) {
				w.Errorf("waits = %+v, want the timer and attempt %s", x.Waits, want.attempt)
			}
			time.Sleep(time.Hour + time.Second)
		}
		w.output(id, `"R3"`)
		w.explained(id, "none", id, "completed")
	})
}

func TestExplainWithoutAHost(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 0, client.StartOptions{})
		w.settle()
		w.explained(id, "raise-event", id, `"Go"`)
		w.suspend(id, "audit")
		w.settle()
		w.stop()
		w.startWith(nil)
		x := w.explained(id, "resume", id, "It is suspended: audit. Nor does a host run")
		if len(x.Waits) != 2 || x.Waits[0].Kind == x.Waits[1].Kind {
			w.Errorf("waits = %+v, want a worker and a resume", x.Waits)
		}
		w.resume(id)
		w.settle()
		w.explained(id, "start", id, "No host runs")
		w.crash()
		w.settle()
		w.explained(id, "raise-event", id, `"Go"`)
		w.raise(id, "Go", nil)
		w.completed(id)
	})
}

// An explanation reads what the code waits for from the session that is parked in
// memory, or runs the code for the purpose; the instance never notices.
func TestExplainReadsTheCodeAndLeavesIt(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Two", func(ctx *perdure.OrchestrationContext, _ string) ([]string, error) {
			w.mark("runs")
			var got []string
			for _, name := range []string{"First", "Second"} {
				data, err := perdure.WaitForExternalEvent[string](ctx, name).Await()
				if err != nil {
					return nil, err
				}
				got = append(got, data)
			}
			return got, nil
		})
	}, func(w *world) {
		id := w.mustStart("Two", "", client.StartOptions{})
		w.settle()
		runs := w.marked("runs")
		for range 3 {
			w.explained(id, "raise-event", id, `"First".`)
		}
		if again := w.marked("runs") - runs; again != 0 && w.options.CacheBytes >= 0 || again != 3 && w.options.CacheBytes < 0 {
			w.Errorf("three explanations ran the code %d times; want none while it is in memory, else three", again)
		}
		w.raise(id, "First", "1")
		w.settle()
		w.explained(id, "raise-event", id, `"Second".`)
		w.crash()
		w.settle()
		w.explained(id, "raise-event", id, `"Second".`)
		w.raise(id, "Second", "2")
		w.output(id, `["1","2"]`)
	})
}

func TestExplainUnknownOrchestrator(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 0, client.StartOptions{})
		w.settle()
		w.deploy(func(*world, *perdure.App) {})
		w.settle()
		w.explained(id, "deploy", id, `does not know the orchestrator "Collector"`)
		w.raise(id, "Go", nil)
		w.settle()
		x := w.explained(id, "deploy", id, `does not know the orchestrator "Collector"`)
		if i := slices.IndexFunc(x.Waits, func(wait hub.Wait) bool { return wait.Kind == "worker" }); i < 0 || x.Waits[i].Attempts != 1 || x.Waits[i].Due.IsZero() {
			w.Errorf("waits = %+v, want a worker, tried once", x.Waits)
		}
		w.deploy(addCollector)
		w.completed(id)
	})
}

func TestExplainParkedCode(t *testing.T) {
	before := first(callOf("A"))
	register, test := changed(perdure.ParkInstance, before, first(callOf("B")), func(w *world, id string) {
		x := w.explained(id, "deploy", id, "no longer fits its history")
		if !strings.Contains(x.Summary, `"A"`) || !strings.Contains(x.Summary, `"B"`) {
			w.Errorf("summary = %s, want that A became B", x.Summary)
		}
		w.deploy(func(w *world, app *perdure.App) {
			app.OnNonDeterminism(perdure.ParkInstance)
			perdure.AddOrchestrator(app, "Changing", before)
		})
		w.completed(id)
	})
	contract(t, register, test)
}

func TestExplainShowsTheStackOfAPanic(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Act", func(context.Context, any) (any, error) { panic("boom") })
		perdure.AddOrchestrator(app, "Calls", func(ctx *perdure.OrchestrationContext, _ any) (any, error) { return nil, callAct(ctx) })
		perdure.AddOrchestrator(app, "Panics", func(*perdure.OrchestrationContext, any) (any, error) { panic("boom") })
		perdure.AddOrchestrator(app, "Above", func(ctx *perdure.OrchestrationContext, child string) (any, error) {
			return perdure.OrchestratorRef[any, any](child).Call(ctx, nil).Await()
		})
		perdure.AddOrchestrator(app, "Refuses", func(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("no") })
	}, func(w *world) {
		for _, tt := range []struct {
			name, input string
			want        bool
		}{{"Calls", "", true}, {"Panics", "", true}, {"Above", "Panics", true}, {"Above", "Calls", true}, {"Refuses", "", false}} {
			id := w.mustStart(tt.name, tt.input, client.StartOptions{})
			w.ended(id, history.Failed)
			x, err := w.Explain(context.Background(), history.InstanceID(id))
			if err != nil || strings.HasPrefix(x.Stack, "github.com/perdure/perdure/internal/engine_test.") != tt.want || tt.want == (x.Stack == "") {
				w.Errorf("Explain(%s of %q) has the stack %q, %v; want one that begins with user code: %t", tt.name, tt.input, x.Stack, err, tt.want)
			}
		}
	})
}
