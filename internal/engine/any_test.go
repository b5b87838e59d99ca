package engine_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
)

// A payload that functions take and give as any passes each border as it came.
func TestAnyPassesThrough(t *testing.T) {
	const sent = `{"a":[9007199254740993,1.50,-0,1,1e400],"id":18446744073709551615}`
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Echo", func(_ context.Context, in any) (any, error) { return in, nil })
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, in any) (any, error) {
			return perdure.ActivityRef[any, any]("Echo").Call(ctx, in).Await()
		})
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, in any) (any, error) {
			if in != nil {
				return perdure.OrchestratorRef[any, any]("Child").Call(ctx, in).Await()
			}
			event, err := perdure.WaitForExternalEvent[map[string]any](ctx, "Go").Await()
			if err != nil {
				return nil, err
			}
			if err := ctx.SetCustomStatus(event); err != nil {
				return nil, err
			}
			return nil, ctx.ContinueAsNew(event)
		})
	}, func(w *world) {
		id := w.mustStart("Main", nil, client.StartOptions{})
		w.settle()
		w.raise(id, "Go", json.RawMessage(sent))
		if got := w.completed(id); got != sent {
			w.Errorf("%s came back as %s", sent, got)
		}
		s := w.status(id)
		if got := string(s.CustomStatus); got != sent {
			w.Errorf("%s became the custom status %s", sent, got)
		}
		result, err := client.Result[any](s)
		if back, _ := json.Marshal(result); err != nil || string(back) != sent {
			w.Errorf("client.Result reads %s, %v; want %s", back, err, sent)
		}
	})
}
