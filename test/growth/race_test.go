package growth

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/store/memory"
)

// Taking the results of many tasks one by one with WhenAny needs no more memory than
// WhenAll does, live and in replay: no call leaves anything behind in its
// arguments.
func TestResultsTakenOneByOneLeaveNothingBehind(t *testing.T) {
	const many = 8000
	var all, oneByOne atomic.Int64 // in use while the tasks are there
	fan := func(ctx *perdure.OrchestrationContext) (tasks []*perdure.Task[string]) {
		for range many {
			tasks = append(tasks, perdure.CallActivity(ctx, greet, "you"))
		}
		return tasks
	}
	app := app()
	perdure.AddOrchestrator(app, "All", func(ctx *perdure.OrchestrationContext, _ any) (int, error) {
		tasks := fan(ctx)
		results, err := perdure.WhenAll(ctx, tasks...).Await()
		all.Store(int64(inUse()))
		runtime.KeepAlive(tasks)
		return len(results), err
	})
	perdure.AddOrchestrator(app, "OneByOne", func(ctx *perdure.OrchestrationContext, _ any) (int, error) {
		tasks, taken := fan(ctx), 0
		var open []perdure.Awaitable
		for _, task := range tasks {
			open = append(open, task)
		}
		for ; len(open) > 0; taken++ {
			i, err := perdure.WhenAny(ctx, open...).Await()
			if err != nil {
				return taken, err
			}
			open = slices.Delete(open, i, i+1)
			if taken == many*3/4 { // the others have been in all races so far
				oneByOne.Store(int64(inUse()))
			}
		}
		runtime.KeepAlive(tasks)
		_, err := perdure.WaitForExternalEvent[any](ctx, "end").Await()
		return taken, err
	})
	store := memory.New(4)
	check := func(t *testing.T) {
		if more := (oneByOne.Load() - all.Load()) >> 20; more > 50 {
			t.Errorf("taking %d results one by one has %d MiB more in use than WhenAll", many, more)
		}
	}
	ended := func(t *testing.T, c *client.Client, id string) {
		t.Helper()
		status, err := c.Wait(t.Context(), client.InstanceID(id))
		if err != nil {
			t.Fatalf("wait for %s: %v", id, err)
		}
		if taken, err := client.Result[int](status); err != nil || taken != many {
			t.Errorf("%s took %d results, %v; want %d", id, taken, err, many)
		}
	}
	const id = "one-by-one"
	t.Run("live", func(t *testing.T) {
		c := run(t, store, app)
		start := func(name, id string) {
			if _, err := c.Start(t.Context(), name, nil, client.StartOptions{ID: client.InstanceID(id)}); err != nil {
				t.Fatalf("start %s: %v", id, err)
			}
		}
		start("All", "all")
		ended(t, c, "all")
		start("OneByOne", id)
		for oneByOne.Load() == 0 {
			runtime.Gosched()
		}
		check(t)
	})
	t.Run("replay", func(t *testing.T) {
		oneByOne.Store(0)
		c := run(t, store, app)
		if err := c.Raise(t.Context(), id, "end", nil); err != nil {
			t.Fatalf("raise end: %v", err)
		}
		ended(t, c, id)
		check(t)
	})
}
