package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Orchestrators that other orchestrators of these tests start by name.
const (
	child      = perdure.OrchestratorRef[string, string]("Child")
	childCount = perdure.OrchestratorRef[int, int]("Child")
)

// waitForGo waits for the event Go and returns what it carries.
func waitForGo(ctx *perdure.OrchestrationContext, _ string) (string, error) {
	return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
}

// children returns the ids of the instances that an instance has started, as
// its history has them.
func (w *world) children(id string) []string {
	w.Helper()
	var ids []string
	for _, ev := range w.history(id) {
		if ev.Kind == history.SubOrchestrationInstanceCreated {
			ids = append(ids, string(ev.Instance))
		}
	}
	return ids
}

// instances returns the ids of all instances that begin with prefix.
func (w *world) instances(prefix string) []string {
	w.Helper()
	page, err := w.engine.List(context.Background(), hub.ListRequest{Query: history.Query{IDPrefix: prefix, Limit: 100_000}}, hub.StatusOptions{})
	if err != nil {
		w.Fatalf("List(%q) = %v", prefix, err)
	}
	var ids []string
	for i := range page.Items {
		ids = append(ids, string(page.Items[i].ID))
	}
	return ids
}

// unconsumed returns how many messages the store holds for anybody.
func (w *world) unconsumed() int {
	w.Helper()
	n := 0
	for p := range w.inner.Partitions() {
		for _, err := range w.inner.Inbox(context.Background(), p) {
			if err != nil {
				w.Fatalf("read inbox %d: %v", p, err)
			}
			n++
		}
	}
	return n
}

func TestD44_ChildsResultReturnsAndItKnowsItsParent(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return in + " for " + string(ctx.ParentInstanceID()), nil
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return child.Call(ctx, in, perdure.WithInstanceID("kid")).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "work", client.StartOptions{ID: "boss"})
		if got, want := w.completed(id), `"work for boss"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		kid := w.status("kid")
		if kid.ParentID != "boss" || kid.Name != "Child" || kid.RuntimeStatus != history.Completed {
			w.Errorf("child is %s with parent %q, %s; want Child with parent boss, Completed", kid.Name, kid.ParentID, kid.RuntimeStatus)
		}
		if parent := w.status(id); parent.ParentID != "" {
			w.Errorf("parent's ParentID = %q, want none", parent.ParentID)
		}
	})
}

func TestD45_ChildsFailureSurfacesWithItsNameAndDetails(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Charge", func(context.Context, string) (string, error) {
			return "", fmt.Errorf("charge: %w", &client.Error{Op: "pay", Err: errors.New("card expired")})
		})
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.ActivityRef[string, string]("Charge").Call(ctx, in).Await()
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			_, err := child.Call(ctx, in).Await()
			task, ok := errors.AsType[*perdure.TaskFailedError](err)
			if !ok {
				return "", fmt.Errorf("child ended with %T %w, want a *perdure.TaskFailedError", err, err)
			}
			inner := "none"
			if task.Failure.Inner != nil {
				inner = task.Failure.Inner.Message
			}
			return fmt.Sprintf("%s #%d %s %q inner %q", task.Name, task.TaskID, task.Failure.Type, task.Failure.Message, inner), nil
		})
	}, func(w *world) {
		want := `"Child #0 *client.Error \"charge: pay: card expired\" inner \"pay: card expired\""`
		if got := w.run("Parent", "x"); got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestD46_ChildTerminatedByAClientFailsTheWaitWithTheReason(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			_, err := child.Call(ctx, in, perdure.WithInstanceID("kid")).Await()
			task, ok := errors.AsType[*perdure.TaskFailedError](err)
			if !ok {
				return "", fmt.Errorf("child ended with %T %w, want a *perdure.TaskFailedError", err, err)
			}
			return task.Failure.Type + ": " + err.Error(), nil
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "", client.StartOptions{})
		w.settle()
		if err := w.Terminate(context.Background(), "kid", client.TerminateOptions{Reason: "no longer needed"}); err != nil {
			w.Fatalf("Terminate(kid) = %v", err)
		}
		got := w.completed(id)
		if !strings.Contains(got, "no longer needed") || !strings.HasPrefix(got, `"`+history.FailureTerminated) {
			w.Errorf("output = %s, want the type %s and the reason", got, history.FailureTerminated)
		}
		w.ended("kid", history.Terminated)
	})
}

func TestD47_ChildThatContinuesAsNewReportsOnceWithTheLastOutput(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			if _, err := ctx.CreateTimer(time.Second).Await(); err != nil {
				return 0, err
			}
			if n < 3 {
				return -1, ctx.ContinueAsNew(n + 1)
			}
			return n, nil
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ string) (int, error) {
			return childCount.Call(ctx, 0).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "", client.StartOptions{})
		if got := w.completed(id); got != "3" {
			w.Errorf("output = %s, want 3", got)
		}
		w.settle()
		if n := w.count(id, history.SubOrchestrationInstanceCompleted); n != 1 {
			w.Errorf("parent's history has %d completions of the child, want 1", n)
		}
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
	})
}

func TestD48_DefaultChildIDsAreUniqueAndStable(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return string(ctx.InstanceID()), nil
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, before []string) ([]string, error) {
			one, err := child.Call(ctx, "").Await()
			if err != nil {
				return nil, err
			}
			if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
				return nil, err
			}
			many, err := perdure.WhenAll(ctx, child.Call(ctx, ""), child.Call(ctx, "")).Await()
			if err != nil {
				return nil, err
			}
			all := append(append(before, one), many...)
			if len(before) == 0 {
				return nil, ctx.ContinueAsNew(all)
			}
			return all, nil
		})
	}, func(w *world) {
		id := w.mustStart("Parent", []string{}, client.StartOptions{ID: "parent"})
		for range 2 { // executions
			w.settle()
			w.crash()
			w.raise(id, "Go", nil)
		}
		got, err := client.Result[[]string](w.ended(id, history.Completed))
		if err != nil || len(got) != 6 {
			w.Fatalf("output = %v, %v, want 6 ids", got, err)
		}
		if diff := cmp.Diff(w.children(id), got[3:]); diff != "" {
			w.Errorf("the children's own ids differ from those in the history (-history +own):\n%s", diff)
		}
		seen := make(map[string]bool)
		for _, kid := range got {
			if seen[kid] || strings.HasPrefix(kid, "@") || kid == id {
				w.Errorf("child id %q, want one of its own that does not begin with @; all: %q", kid, got)
			}
			seen[kid] = true
		}
		if all := w.instances(""); len(all) != 7 {
			w.Errorf("there are the instances %q, want the parent and its 6 children", all)
		}
	})
}

func TestD49_ChildIDEqualToTheParentsIsRejected(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, ids []string) ([]bool, error) {
			var rejected []bool
			for _, id := range ids {
				_, err := child.Call(ctx, "", perdure.WithInstanceID(perdure.InstanceID(id))).Await()
				rejected = append(rejected, err != nil && strings.Contains(err.Error(), id))
				_, err = child.Start(ctx, "", perdure.WithInstanceID(perdure.InstanceID(id)))
				rejected = append(rejected, err != nil && strings.Contains(err.Error(), id))
			}
			return rejected, nil
		})
		perdure.AddOrchestrator(app, "Grandparent", func(ctx *perdure.OrchestrationContext, ids []string) ([]bool, error) {
			return perdure.OrchestratorRef[[]string, []bool]("Parent").Call(ctx, ids, perdure.WithInstanceID("Middle")).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Grandparent", []string{"Middle", "mIDDLE", "Top", "tOP"}, client.StartOptions{ID: "Top"})
		if got, want := w.completed(id), "[true,true,true,true,true,true,true,true]"; got != want {
			w.Errorf("rejected = %s, want %s", got, want)
		}
		if kids := w.children("Middle"); len(kids) != 0 {
			w.Errorf("Middle has started %q, want nothing", kids)
		}
	})
}

func TestD50_ChildIDOfALiveInstanceFailsAtOnce(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			begun := ctx.Now()
			retry := perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Hour, MaxAttempts: 5})
			_, err := child.Call(ctx, in, perdure.WithInstanceID("busy"), retry).Await()
			task, ok := errors.AsType[*perdure.TaskFailedError](err)
			if !ok {
				return "", fmt.Errorf("child ended with %T %w, want a *perdure.TaskFailedError", err, err)
			}
			return fmt.Sprint(task.Failure.Type, " ", task.Failure.NonRetriable, " ", ctx.Now().Sub(begun) < time.Second), nil
		})
	}, func(w *world) {
		w.mustStart("Child", "", client.StartOptions{ID: "busy"})
		id := w.mustStart("Parent", "", client.StartOptions{})
		if got, want := w.completed(id), `"InstanceAlreadyExists true true"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		if kids := w.children(id); len(kids) != 1 {
			w.Errorf("the parent asked for %q, want one attempt", kids)
		}
		w.raise("busy", "Go", "mine")
		if got := w.completed("busy"); got != `"mine"` {
			w.Errorf("output of the live instance = %s, want \"mine\"", got)
		}
		if busy := w.status("busy"); busy.ParentID != "" {
			w.Errorf("the live instance has got the parent %q, want none", busy.ParentID)
		}
	})
}

func TestD51_FireAndForgetChildOutlivesItsParent(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			id, err := child.Start(ctx, in)
			return string(id), err
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "", client.StartOptions{})
		kid, err := client.Result[string](w.ended(id, history.Completed))
		if err != nil {
			w.Fatal(err)
		}
		w.settle()
		if s := w.status(kid); s.RuntimeStatus != history.Running || s.ParentID != "" {
			w.Errorf("the child is %s with parent %q, want Running without one", s.RuntimeStatus, s.ParentID)
		}
		w.raise(kid, "Go", "done")
		if got := w.completed(kid); got != `"done"` {
			w.Errorf("output of the child = %s, want \"done\"", got)
		}
	})
}

func TestD52_ThousandChildrenReportOnceUnderKills(t *testing.T) {
	const n = 1000
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Work", func(ctx context.Context, i int) (int, error) {
			select {
			case <-time.After(time.Duration(i%10) * 100 * time.Millisecond):
			case <-ctx.Done():
			}
			return i, ctx.Err()
		})
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, i int) (int, error) {
			return perdure.ActivityRef[int, int]("Work").Call(ctx, i).Await()
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
			tasks := make([]*perdure.Task[int], n)
			for i := range tasks {
				tasks[i] = childCount.Call(ctx, i)
			}
			return perdure.WhenAll(ctx, tasks...).Await()
		})
	}, func(w *world) {
		w.options.MaxActivities = n
		w.deploy(w.register)
		id := w.mustStart("Parent", n, client.StartOptions{})
		for range 6 {
			time.Sleep(700 * time.Millisecond)
			w.crash()
		}
		got, err := client.Result[[]int](w.ended(id, history.Completed))
		if err != nil || len(got) != n {
			w.Fatalf("output has %d results, %v; want %d", len(got), err, n)
		}
		for i := range got {
			if got[i] != i {
				w.Errorf("result %d = %d, want %d", i, got[i], i)
			}
		}
		reports := make(map[int32]int)
		for _, ev := range w.history(id) {
			if ev.Kind == history.SubOrchestrationInstanceCompleted {
				reports[ev.TaskID]++
			}
		}
		for task, times := range reports {
			if times != 1 {
				w.Errorf("child #%d reported %d times, want once", task, times)
			}
		}
		if len(reports) != n {
			w.Errorf("%d children reported, want %d", len(reports), n)
		}
	})
}

func TestD53_ChildOutlivesAParentThatDoesNotWait(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", waitForGo)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			child.Call(ctx, in, perdure.WithInstanceID("kid"))
			return "not waiting", nil
		})
	}, func(w *world) {
		id := w.mustStart("Parent", "", client.StartOptions{})
		if got, want := w.completed(id), `"not waiting"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		before := w.json(id)
		w.settle()
		w.raise("kid", "Go", "done")
		if got := w.completed("kid"); got != `"done"` {
			w.Errorf("output of the child = %s, want \"done\"", got)
		}
		w.settle()
		if after := w.json(id); after != before {
			w.Errorf("the child's result changed its parent:\n before %s\n after  %s", before, after)
		}
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
	})
}

func TestD54_TagsAreInheritedAndTheChildsOwnWin(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, again string) (string, error) {
			if again != "" {
				return child.Call(ctx, "", perdure.WithInstanceID("grandchild")).Await()
			}
			return "", nil
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			own := perdure.WithTags(map[string]string{"team": "kids", "size": "s"})
			_, err := child.Start(ctx, "again", perdure.WithInstanceID("forgotten"))
			if err != nil {
				return "", err
			}
			return child.Call(ctx, "", perdure.WithInstanceID("kid"), own).Await()
		})
	}, func(w *world) {
		tags := map[string]string{"team": "adults", "region": "eu"}
		w.completed(w.mustStart("Parent", "", client.StartOptions{Tags: tags}))
		w.completed("forgotten")
		for id, want := range map[string]map[string]string{
			"kid":        {"team": "kids", "region": "eu", "size": "s"},
			"forgotten":  tags,
			"grandchild": tags,
		} {
			if diff := cmp.Diff(want, w.status(id).Tags); diff != "" {
				w.Errorf("tags of %s (-want +got):\n%s", id, diff)
			}
		}
		// Being forgotten is not inherited: who is forgotten waits for its own children.
		if got := w.status("grandchild").ParentID; got != "forgotten" {
			w.Errorf("grandchild's ParentID = %q, want forgotten", got)
		}
	})
}
