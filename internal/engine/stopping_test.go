package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
)

// An activity hears at once that the app stops. What does not end by itself is cancelled
// when the time to finish is over, and told why. Both run again.
func TestActivitiesAreToldThatTheAppStops(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Both", func(ctx *perdure.OrchestrationContext, _ int) ([]int, error) {
			return perdure.WhenAll(ctx, perdure.ActivityRef[int, int]("Polite").Call(ctx, 0), perdure.ActivityRef[int, int]("Slow").Call(ctx, 0)).Await()
		})
		perdure.AddActivity(app, "Polite", func(ctx context.Context, _ int) (int, error) {
			if w.mark("polite") > 1 {
				return 1, nil
			}
			select {
			case <-perdure.Stopping(ctx):
				w.mark("told")
				if ctx.Err() != nil {
					w.Errorf("the context has ended as the app begins to stop: %v", ctx.Err())
				}
				return 0, fmt.Errorf("put back: %w", perdure.ErrStopping)
			case <-ctx.Done():
				w.Error("an activity is cancelled before it is told")
				return 0, ctx.Err()
			}
		})
		perdure.AddActivity(app, "Slow", func(ctx context.Context, _ int) (int, error) {
			if w.mark("slow") > 1 {
				return 1, nil
			}
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, perdure.ErrStopping) {
				w.Errorf("the cause is %v, want ErrStopping", cause)
			}
			return 0, ctx.Err()
		})
	}, func(w *world) {
		w.options.DrainTimeout = 5 * time.Second
		w.end()
		w.worker.Close()
		w.start()
		w.mustStart("Both", 0, client.StartOptions{ID: "b"})
		w.settle()
		began := time.Now()
		w.end()
		if took := time.Since(began); took != 5*time.Second || w.marked("told") != 1 {
			w.Errorf("stop took %v, %d were told; want the time to finish, and one", took, w.marked("told"))
		}
		w.worker.Close()
		w.start()
		w.completed("b")
	})
}
