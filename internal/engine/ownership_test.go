package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// addWaiter registers an orchestrator that waits for an event.
func addWaiter(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Waiter", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
		return perdure.WaitForExternalEvent[string](ctx, "go").Await()
	})
}

// An engine takes over from a tenure at its own place, and waits for one that
// is elsewhere: that one lives.
func TestHubOfAnotherNode(t *testing.T) {
	for _, tt := range []struct {
		name  string
		other store.Node
		waits bool
	}{
		{name: "the same place", other: store.Node{Name: "before"}},
		{name: "another address", other: store.Node{Address: "127.0.0.1:7777"}, waits: true},
		{name: "another host", other: store.Node{Host: "elsewhere"}, waits: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := openMemory(t)
				other, err := kept.Join(t.Context(), tt.other)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := other.Acquire(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				w := &world{T: t, inner: kept, register: addWaiter}
				w.start()
				defer w.stop()
				time.Sleep(time.Minute)
				if owned := w.engine.Owned(); owned == tt.waits {
					t.Errorf("Owned() = %t while the other one is there, want %t", owned, !tt.waits)
				}
				err = other.Commit(t.Context(), 0, nil)
				if fenced := errors.Is(err, store.ErrFenced); fenced == tt.waits || err != nil && !fenced {
					t.Errorf("Commit of the other one = error %v, want it fenced: %t", err, !tt.waits)
				}
				if !tt.waits {
					return
				}
				if err := other.Leave(t.Context()); err != nil {
					t.Errorf("Leave: %v", err)
				}
				time.Sleep(time.Minute)
				if !w.engine.Owned() {
					t.Error("Owned() = false although the other one left")
				}
			})
		})
	}
}

// An engine that stops leaves its hub: whoever comes next, wherever, need not
// wait.
func TestStoppedEngineLeavesTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := openMemory(t)
		w := &world{T: t, inner: kept, register: addWaiter}
		w.start()
		w.mustStart("Waiter", 0, client.StartOptions{})
		w.stop()
		next, err := kept.Join(t.Context(), store.Node{Address: "elsewhere"})
		if err != nil {
			t.Fatal(err)
		}
		members, err := next.Beat(t.Context(), nil)
		if err != nil || len(members.Nodes) != 1 {
			t.Errorf("Beat = %d nodes, error %v, want the new one only", len(members.Nodes), err)
		}
		for p, owner := range members.Owners {
			if owner != 0 {
				t.Errorf("partition %d has the owner %d after the stop", p, owner)
			}
		}
	})
}

// What an owner knows from memory is no answer once another one has taken its
// place: that one may have changed it.
func TestFencedOwnerGivesNoAnswer(t *testing.T) {
	contract(t, addWaiter, func(w *world) {
		w.mustStart("Waiter", 0, client.StartOptions{ID: "x"})
		w.settle()
		_, err := w.Start(context.Background(), "Waiter", 0, client.StartOptions{ID: "x"})
		if !errors.Is(err, hub.ErrAlreadyExists) {
			w.Errorf("Start(x) again = error %v, want %v", err, hub.ErrAlreadyExists)
		}
		next, err := w.inner.Join(context.Background(), store.Node{Address: "elsewhere"})
		if err != nil {
			w.Fatal(err)
		}
		members, err := next.Beat(context.Background(), nil)
		if err != nil {
			w.Fatal(err)
		}
		for _, m := range members.Nodes {
			if m.ID == next.ID() {
				continue
			}
			if err := next.Fence(context.Background(), m.ID); err != nil {
				w.Fatal(err)
			}
		}
		_, err = w.Start(context.Background(), "Waiter", 0, client.StartOptions{ID: "x"})
		if !errors.Is(err, hub.ErrUnavailable) {
			w.Errorf("Start(x) of an owner that was fenced = error %v, want %v", err, hub.ErrUnavailable)
		}
	})
}
