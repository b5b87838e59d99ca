package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// explained explains an instance; the action, its target and a part of the
// summary must be as given.
func (w *world) explained(id, action, target, summary string) engine.Explanation {
	w.Helper()
	x, err := w.engine.Explain(context.Background(), history.InstanceID(id))
	if err != nil || x.Action != action || string(x.Target) != target || !strings.Contains(x.Summary, summary) {
		w.Errorf("Explain(%s) = %+v, %v; want %s of %s, %q", id, x, err, action, target, summary)
	}
	return x
}

func TestExplainLive(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		app.AddActivity("Fail", func(context.Context, string) (string, error) { return "", errors.New("out of stock") })
		app.AddOrchestrator("Kid", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			got, err := perdure.WaitForExternalEvent[string](ctx, "Approval", perdure.WithTimeout(time.Hour)).Await()
			if err != nil {
				return "", err
			}
			if _, err := ctx.CreateTimer(time.Minute).Await(); err != nil {
				return "", err
			}
			return perdure.ActivityRef[string, string]("Fail").Call(ctx, got).Await()
		})
		app.AddOrchestrator("Boss", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.OrchestratorRef[string, string]("Kid").Call(ctx, in, perdure.WithInstanceID("kid")).Await()
		})
		app.AddOrchestrator("Lost", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.ActivityRef[string, string]("Nowhere").Call(ctx, in).Await()
		})
	}
	contract(t, register, func(w *world) {
		ctx := context.Background()
		if _, err := w.engine.Explain(ctx, "nobody"); !errors.Is(err, engine.ErrNotFound) {
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
		w.explained("kid", "rewind", "kid", `activity "Fail" failed`)
		w.explained("boss", "rewind", "boss", "out of stock")

		w.mustStart("Lost", "", client.StartOptions{ID: "lost"})
		w.settle()
		w.explained("lost", "deploy", "lost", "Nowhere")
		w.mustStart("Boss", "", client.StartOptions{ID: "later", StartAt: time.Now().Add(time.Hour)})
		w.explained("later", "wait", "later", "scheduled")
	})
}
