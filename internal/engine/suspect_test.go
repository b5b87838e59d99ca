package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// crashNotes is a store that remembers what ran when a process died.
type crashNotes struct {
	store.Store
	words  []atomic.Uint64 // of the process that runs
	before []uint64        // of the one before
	memo   []byte
	died   bool // the process that runs stores no memo any more
}

func (s *crashNotes) Notes(n int) ([]atomic.Uint64, []uint64, error) {
	s.words, s.died = make([]atomic.Uint64, n), false
	return s.words, s.before, nil
}

func (s *crashNotes) Memo(context.Context) ([]byte, error) { return s.memo, nil }

func (s *crashNotes) SetMemo(_ context.Context, memo []byte) error {
	if !s.died {
		s.memo = memo
	}
	return nil
}

// die has the next process find what is there if a process dies now.
func (s *crashNotes) die() {
	s.before, s.died = nil, true
	for i := range s.words {
		s.before = append(s.before, s.words[i].Load())
	}
}

// live runs app on the store in virtual time, does what is asked, and dies.
func (s *crashNotes) live(t *testing.T, app *perdure.App, do func(c *client.Client)) {
	run, err := worker.New(app, worker.Options{})
	if err != nil {
		t.Fatalf("register functions: %v", err)
	}
	e := engine.New(s, run, engine.Options{DrainTimeout: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }() // it is waited for below
	do(client.Local(e))
	synctest.Wait()
	s.die()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("engine ended with %v", err)
	}
	run.Close()
}

// A suspect that goes while it is held back must not be waited for: else the other
// suspects never run.
func TestSuspectThatGoesHoldsNobodyBack(t *testing.T) {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Call", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		return perdure.ActivityRef[int, int]("Long").Call(ctx, 0).Await()
	})
	perdure.AddOrchestrator(app, "Quick", func(*perdure.OrchestrationContext, int) (int, error) { return 0, nil })
	perdure.AddActivity(app, "Long", func(ctx context.Context, _ int) (int, error) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Minute):
			return 0, nil
		}
	})
	for name, remove := range map[string]func(ctx context.Context, c *client.Client) error{
		"purged": func(ctx context.Context, c *client.Client) error {
			_, err := c.Purge(ctx, "first", client.PurgeOptions{Force: true})
			return err
		},
		"replaced": func(ctx context.Context, c *client.Client) error {
			_, err := c.Start(ctx, "Quick", 0, client.StartOptions{ID: "first", Reuse: client.ReplaceAny})
			return err
		},
		"terminated": func(ctx context.Context, c *client.Client) error {
			return c.Terminate(ctx, "first", client.TerminateOptions{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, store := t.Context(), &crashNotes{Store: memory.New(4)}
				store.live(t, app, func(c *client.Client) {
					for _, id := range []string{"first", "second"} {
						if _, err := c.Start(ctx, "Call", 0, client.StartOptions{ID: history.InstanceID(id)}); err != nil {
							t.Errorf("Start(%s) = %v", id, err)
						}
					}
				})
				store.live(t, app, func(*client.Client) {}) // the second death makes suspects of both
				store.live(t, app, func(c *client.Client) {
					synctest.Wait()
					if x, err := c.Explain(ctx, "second"); err != nil || len(x.Waits) == 0 || x.Waits[0].Problem == "" {
						t.Errorf("Explain(second) = %+v, %v; want it held back: else the test shows nothing", x, err)
					}
					if err := remove(ctx, c); err != nil {
						t.Errorf("first cannot be %s: %v", name, err)
					}
					time.Sleep(time.Hour)
					if s, err := c.Status(ctx, "second", client.StatusOptions{}); err != nil || s.RuntimeStatus != history.Completed {
						t.Errorf("second is %+v, %v; want it to complete", s, err)
					}
				})
			})
		})
	}
}
