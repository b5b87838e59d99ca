package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
)

// heard is what a listener was told of instances, in order.
type heard struct {
	mu       sync.Mutex
	turns    map[history.InstanceID][]engine.TurnKind
	attempts []string
	holds    int
	commits  int
	deltas   int
}

func (h *heard) listener() engine.Listener {
	return engine.Listener{
		Turn: func(t engine.TurnInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.turns[t.Row.ID] = append(h.turns[t.Row.ID], t.Kind)
		},
		Attempt: func(a engine.AttemptInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.attempts = append(h.attempts, a.Call.Name+" "+a.End.Kind.String())
		},
		Successes: func() bool { return true },
		Hold:      func(engine.HoldInfo) { h.mu.Lock(); defer h.mu.Unlock(); h.holds++ },
		Commit: func(c engine.CommitInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.commits, h.deltas = h.commits+1, h.deltas+c.Deltas
		},
	}
}

// A listener hears each durable turn once, in order, with the attempts that it took in.
func TestListenerHearsWhatIsDurable(t *testing.T) {
	register := func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Try", func(_ context.Context, n int) (int, error) {
			if n == 0 {
				return 0, errors.New("not yet")
			}
			return n, nil
		})
		perdure.AddOrchestrator(app, "Twice", func(ctx *perdure.OrchestrationContext, round int) (int, error) {
			try := perdure.ActivityRef[int, int]("Try")
			try.Call(ctx, 0).Wait()
			n, err := try.Call(ctx, 7).Await()
			if err == nil && round == 0 {
				return 0, ctx.ContinueAsNew(1)
			}
			return n, err
		})
		perdure.AddOrchestrator(app, "Fails", func(ctx *perdure.OrchestrationContext, _ perdure.None) (int, error) {
			return perdure.ActivityRef[int, int]("Try").Call(ctx, 0).Await()
		})
	}
	contract(t, register, func(w *world) {
		h := &heard{turns: make(map[history.InstanceID][]engine.TurnKind)}
		w.options.Listener = h.listener()
		w.crash()
		w.mustStart("Twice", 0, client.StartOptions{ID: "a"})
		w.settle()
		w.mustStart("Fails", nil, client.StartOptions{ID: "b"})
		w.settle()
		if err := w.Rewind(context.Background(), "b", client.RewindOptions{}); err != nil {
			w.Fatal(err)
		}
		w.settle()
		h.mu.Lock()
		defer h.mu.Unlock()
		if want := []engine.TurnKind{engine.Started, engine.Ran, engine.Ran, engine.ContinuedAsNew, engine.Ran, engine.Ran, engine.Ended}; !slices.Equal(h.turns["a"], want) {
			w.Errorf("turns of a: %v, want %v", h.turns["a"], want)
		}
		// A turn with nothing but the rewind may come before the one with the answer, or not.
		h.turns["b"] = slices.DeleteFunc(h.turns["b"], func(k engine.TurnKind) bool { return k == engine.Ran })
		if want := []engine.TurnKind{engine.Started, engine.Ended, engine.Rewound, engine.Ended}; !slices.Equal(h.turns["b"], want) {
			w.Errorf("turns of b: %v, want %v", h.turns["b"], want)
		}
		if want := []string{"Try TaskFailed", "Try TaskCompleted", "Try TaskFailed", "Try TaskCompleted", "Try TaskFailed", "Try TaskFailed"}; !slices.Equal(h.attempts, want) {
			w.Errorf("attempts: %q, want %q", h.attempts, want)
		}
		if h.commits == 0 || h.deltas < len(h.turns["a"])+len(h.turns["b"]) {
			w.Errorf("%d commits of %d deltas were heard", h.commits, h.deltas)
		}
	})
}
