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
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

var callKid = perdure.OrchestratorRef[int, int]("Kid")

// addLines registers orchestrators that leave children behind: Line starts one in
// each execution and goes on without it, Short ends without it, Kid waits.
func addLines(_ *world, app *perdure.App) {
	app.AddOrchestrator("Kid", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		return perdure.WaitForExternalEvent[int](ctx, "Go").Await()
	})
	app.AddOrchestrator("Short", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		for range n {
			callKid.Call(ctx, 0)
		}
		return n, ctx.CreateTimer(time.Millisecond).Err()
	})
	app.AddOrchestrator("Line", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		kid := callKid.Call(ctx, n)
		if n == 3 {
			return kid.Await()
		}
		if _, err := perdure.WhenAny(ctx, kid, ctx.CreateTimer(time.Second)).Await(); err != nil {
			return 0, err
		}
		return 0, ctx.ContinueAsNew(n + 1)
	})
	app.AddOrchestrator("Root", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
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
	return fmt.Sprint(counts)
}

func (w *world) children(parent string) []string {
	w.Helper()
	var ids []string
	for s, err := range w.All(context.Background(), client.Query{Parent: parent}) {
		if err != nil {
			w.Fatalf("All(children of %s) = %v", parent, err)
		}
		ids = append(ids, string(s.ID))
	}
	slices.Sort(ids)
	return ids
}
