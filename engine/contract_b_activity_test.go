package engine_test

import (
	"context"
	"testing"

	"github.com/perdure/perdure"
)

func greet(_ context.Context, name string) (string, error) { return "Hello " + name + "!", nil }

func TestB18_ChainOfFiveKeepsOrderAndRunsEachActivityOnce(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		app.AddActivity("Greet", greet)
		app.AddOrchestrator("Chain", func(ctx *perdure.OrchestrationContext, names []string) ([]string, error) {
			var out []string
			for _, n := range names {
				s, err := perdure.CallActivity(ctx, greet, n).Await()
				if err != nil {
					return nil, err
				}
				out = append(out, s)
			}
			return out, nil
		})
	}, func(w *world) {
		got := w.run("Chain", []string{"a", "b", "c", "d", "e"})
		if want := `["Hello a!","Hello b!","Hello c!","Hello d!","Hello e!"]`; got != want {
			t.Errorf("output = %s, want %s", got, want)
		}
	})
}
