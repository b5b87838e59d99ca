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
	"github.com/perdure/perdure/internal/hub"
)

var callKid = perdure.OrchestratorRef[int, int]("Kid")

// addLines registers orchestrators that leave children behind: Line starts one in
// each execution and goes on without it, Short ends without it, Kid waits.
func addLines(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Kid", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		return perdure.WaitForExternalEvent[int](ctx, "Go").Await()
	})
	perdure.AddOrchestrator(app, "Short", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		for range n {
			callKid.Call(ctx, 0)
		}
		_, err := ctx.CreateTimer(time.Second).Await()
		return n, err
	})
	perdure.AddOrchestrator(app, "Line", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		kid := callKid.Call(ctx, n)
		if n == 3 {
			return kid.Await()
		}
		if _, err := perdure.WhenAny(ctx, kid, ctx.CreateTimer(time.Second)).Await(); err != nil {
			return 0, err
		}
		return 0, ctx.ContinueAsNew(n + 1)
	})
	perdure.AddOrchestrator(app, "Root", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		short := perdure.OrchestratorRef[int, int]("Short").Call(ctx, 2) // ends, and leaves two
		if _, err := short.Await(); err != nil {
			return 0, err
		}
		return perdure.OrchestratorRef[int, int]("Line").Call(ctx, 0).Await()
	})
}

// statuses returns how many instances there are of each status.
func (w *world) statuses() string {
	w.Helper()
	w.settle()
	counts, err := w.Count(context.Background(), client.Query{})
	if err != nil {
		w.Fatal(err)
	}
	var all []string
	for _, status := range history.Statuses() {
		if n := counts[status]; n > 0 {
			all = append(all, fmt.Sprint(n, " ", status))
		}
	}
	return strings.Join(all, ", ")
}

func (w *world) childrenOf(parent string) []string {
	w.Helper()
	var ids []string
	for s, err := range w.All(context.Background(), client.Query{Parent: history.InstanceID(parent)}) {
		if err != nil {
			w.Fatalf("All(children of %s) = %v", parent, err)
		}
		ids = append(ids, string(s.ID))
	}
	return ids // newest first
}

// A recursive termination ends the children of all executions, and those that
// children which have ended left behind; a crash at once after it changes nothing.
func TestTree_RecursiveTerminationEndsTheChildrenOfAllExecutions(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, addLines, func(w *world) {
				w.mustStart("Root", 0, client.StartOptions{ID: "root"})
				time.Sleep(10 * time.Second) // Root, Short with two, Line with four
				if got := w.statuses(); got != "8 Running, 1 Completed" {
					w.Fatalf("before: %s", got)
				}
				w.terminate("root", client.TerminateOptions{Reason: "enough", Recursive: true})
				if crash {
					w.crash()
				}
				if got := w.statuses(); got != "1 Completed, 8 Terminated" {
					w.Errorf("after: %s", got)
				}
				w.idle()
			})
		})
	}
}

// So does a termination that comes when the instance has just ended by itself,
// one of an instance that is purged at once, and one whose id is used again.
func TestTree_RecursiveTerminationIsNotLostWithItsInstance(t *testing.T) {
	contract(t, addLines, func(w *world) {
		ctx := context.Background()
		for _, then := range []string{"purge", "reuse", "import"} {
			id := w.mustStart("Line", 0, client.StartOptions{ID: history.InstanceID(then)})
			time.Sleep(10 * time.Second)
			if kids := w.childrenOf(id); len(kids) != 4 {
				w.Fatalf("children of %s are %v, want 4", id, kids)
			}
			archive, err := w.engine.Export(ctx, history.InstanceID(id))
			if err != nil {
				w.Fatal(err)
			}
			if err := w.Terminate(ctx, history.InstanceID(id), client.TerminateOptions{Recursive: true, Wait: true}); err != nil {
				w.Fatal(err)
			}
			switch then {
			case "purge":
				_, err = w.Purge(ctx, history.InstanceID(id), client.PurgeOptions{})
			case "reuse":
				_, err = w.Start(ctx, "Kid", 0, client.StartOptions{ID: history.InstanceID(id)})
			case "import":
				_, err = w.engine.Import(ctx, hub.ImportRequest{Archive: archive, Reuse: hub.ReplaceAny})
			}
			if err != nil {
				w.Errorf("%s = %v", then, err)
			}
			w.settle()
			for _, kid := range w.instances(then + ":") {
				if s := w.status(kid); s.RuntimeStatus != history.Terminated {
					w.Errorf("after termination and %s %s is %s", then, kid, s.RuntimeStatus)
				}
			}
			if then == "reuse" && w.status(id).RuntimeStatus.Terminal() {
				w.Errorf("the next instance with the id %s is %s", id, w.status(id).RuntimeStatus)
			}
		}
	})
}

// A recursive purge takes the same tree, whole or not at all.
func TestTree_RecursivePurgeTakesTheChildrenOfAllExecutions(t *testing.T) {
	contract(t, addLines, func(w *world) {
		ctx := context.Background()
		w.mustStart("Root", 0, client.StartOptions{ID: "root"})
		w.mustStart("Kid", 0, client.StartOptions{ID: "stranger"})
		time.Sleep(10 * time.Second)
		w.terminate("root", client.TerminateOptions{}) // alone
		w.settle()
		result, err := w.Purge(ctx, "root", client.PurgeOptions{Recursive: true})
		if !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), `"root:`) || result.Deleted != 0 {
			w.Errorf("Purge of a tree with live children = %+v, %v; want ErrInvalidState that names one", result, err)
		}
		if got := w.statuses(); got != "8 Running, 1 Completed, 1 Terminated" {
			w.Fatalf("after a refused purge: %s", got)
		}
		result, err = w.Purge(ctx, "root", client.PurgeOptions{Recursive: true, Force: true})
		if err != nil || result.Deleted != 9 {
			w.Errorf("Purge = %+v, %v; want 9 deleted", result, err)
		}
		if left := w.instances(""); !slices.Equal(left, []string{"stranger"}) {
			w.Errorf("left are %v", left)
		}
		w.idle()
	})
}

// Children are listed by parent: of all executions, live and ended; of the present
// owner of the id only; and of one that was purged too.
func TestTree_ChildrenAreListedByParent(t *testing.T) {
	contract(t, addLines, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Line", 1, client.StartOptions{ID: "line"})
		time.Sleep(10 * time.Second)
		first := w.childrenOf(id)
		if len(first) != 3 {
			w.Fatalf("children are %v, want 3", first)
		}
		ended := first[len(first)-1] // the oldest
		w.raise(ended, "Go", 1)
		w.completed(ended)
		if got := w.childrenOf(id); !slices.Equal(got, first) {
			w.Errorf("children when one has ended are %v, want %v", got, first)
		}
		counts, err := w.Count(ctx, client.Query{Parent: history.InstanceID(id), Statuses: []client.RuntimeStatus{history.Running}})
		if err != nil || counts[history.Running] != 2 {
			w.Errorf("Count = %v, %v; want 2 Running", counts, err)
		}
		if got := w.childrenOf("nobody"); got != nil {
			w.Errorf("children of nobody are %v", got)
		}
		restarted, err := w.Restart(ctx, history.InstanceID(ended), client.RestartOptions{})
		if err != nil {
			w.Fatal(err)
		}
		archive, err := w.engine.Export(ctx, history.InstanceID(ended))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.engine.Import(ctx, hub.ImportRequest{Archive: archive, ID: "copy"}); err != nil {
			w.Fatal(err)
		}
		if got := w.childrenOf(id); !slices.Equal(got, first) {
			w.Errorf("children are %v, want neither the restarted %s nor the imported copy", got, restarted)
		}
		w.terminate(id, client.TerminateOptions{})
		w.settle()
		if _, err := w.Purge(ctx, history.InstanceID(id), client.PurgeOptions{}); err != nil {
			w.Fatal(err)
		}
		if got := w.childrenOf(id); !slices.Equal(got, append([]string{"copy"}, first...)) {
			w.Errorf("children of one that was purged are %v, want what was left, %v", got, first)
		}
		w.mustStart("Line", 2, client.StartOptions{ID: "line"})
		time.Sleep(10 * time.Second)
		second := w.childrenOf(id)
		if len(second) != 2 || slices.Contains(first, second[0]) || slices.Contains(first, second[1]) {
			w.Errorf("children of the next one are %v, want 2 of its own", second)
		}
	})
}

// A purge of the parent does not make the ids of its live children collide with
// those of the next one.
func TestTree_IDsCanBeUsedAgainWhileOldChildrenLive(t *testing.T) {
	contract(t, addLines, func(w *world) {
		for range 3 {
			w.mustStart("Short", 2, client.StartOptions{ID: "nightly"})
			if got := w.completed("nightly"); got != "2" {
				w.Errorf("output = %s, want 2", got)
			}
			if _, err := w.Purge(context.Background(), "nightly", client.PurgeOptions{}); err != nil {
				w.Fatal(err)
			}
		}
		if got := w.statuses(); got != "6 Running" {
			w.Errorf("instances: %s", got)
		}
	})
}

// However deep a tree is, its default ids can be used everywhere.
func TestTree_DeepTreesHaveIDsThatCanBeUsed(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Deep", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			if n == 0 {
				return string(ctx.InstanceID()), nil
			}
			return perdure.OrchestratorRef[int, string]("Deep").Call(ctx, n-1).Await()
		})
	}, func(w *world) {
		ctx := context.Background()
		id := strings.Trim(w.run("Deep", 60), `"`)
		archive, err := w.engine.Export(ctx, history.InstanceID(id))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.Restart(ctx, history.InstanceID(id), client.RestartOptions{SameID: true}); err != nil {
			w.Errorf("Restart(%s) = %v", id, err)
		}
		w.completed(id)
		if _, err := w.engine.Import(ctx, hub.ImportRequest{Archive: archive}); err != nil {
			w.Errorf("Import(%s) = %v", id, err)
		}
	})
}

// Whatever commit of a recursive termination fails, and however, in the end the
// whole tree has ended.
func TestFaultsOfTrees(t *testing.T) {
	testFaults(t, faults{register: addLines, play: func(w *world) {
		ctx := context.Background()
		tell := func(what string, call func() error) {
			for {
				if err := call(); err == nil || !errors.Is(err, client.ErrUnavailable) {
					if err != nil && !errors.Is(err, client.ErrTerminal) && !errors.Is(err, client.ErrAlreadyExists) {
						w.Errorf("%s = %v", what, err)
					}
					return
				}
				time.Sleep(time.Second)
			}
		}
		tell("Start", func() error {
			_, err := w.Start(ctx, "Root", 0, client.StartOptions{ID: "root"})
			return err
		})
		time.Sleep(time.Minute)
		tell("Terminate", func() error { return w.Terminate(ctx, "root", client.TerminateOptions{Recursive: true}) })
		time.Sleep(time.Minute)
	}, check: func(w *world) {
		if got := w.statuses(); got != "1 Completed, 8 Terminated" {
			w.Errorf("after a recursive termination: %s", got)
		}
	}})
}
