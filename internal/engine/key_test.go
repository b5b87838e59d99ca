package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// addCounter registers an orchestrator that counts events until one is "end", and
// continues as new after each 100.
func addCounter(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Counter", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		for range 100 {
			word, err := perdure.WaitForExternalEvent[string](ctx, "e").Await()
			if err != nil || word == "end" {
				return n, err
			}
			n++
		}
		return n, ctx.ContinueAsNew(n)
	})
}

func (w *world) keyed(id, word, key string) error {
	return w.Raise(context.Background(), history.InstanceID(id), "e", word, client.WithIdempotencyKey(key))
}

// A key is remembered for a day, however many newer ones there are, across
// continue-as-new and restarts of the program.
func TestIdempotencyKeys_AreRememberedForADay(t *testing.T) {
	contract(t, addCounter, func(w *world) {
		id := w.mustStart("Counter", 0, client.StartOptions{})
		for i := range 1100 {
			if err := w.keyed(id, "x", fmt.Sprint(i)); err != nil {
				w.Fatal(err)
			}
		}
		w.settle()
		w.crash()
		time.Sleep(23 * time.Hour)
		again := func(key string) {
			if err := w.keyed(id, "x", key); err != nil {
				w.Errorf("Raise(%s) = %v", key, err)
			}
		}
		again("0") // known
		again("500")
		time.Sleep(2 * time.Hour)
		again("0") // as good as new
		again("0")
		w.raise(id, "e", "end")
		w.output(id, "1101")
	})
}

// An instance remembers a mebibyte of keys, and refuses the next one rather than
// forget one.
func TestIdempotencyKeys_AreRefusedRatherThanForgotten(t *testing.T) {
	contract(t, addCounter, func(w *world) {
		id := w.mustStart("Counter", 0, client.StartOptions{})
		key := func(i int) string { return fmt.Sprintf("%0300d", i) }
		room := history.MaxKeysBytes / history.MaxKeyLength
		for i := range room {
			if err := w.keyed(id, "x", key(i)); err != nil {
				w.Fatalf("key %d of %d: %v", i, room, err)
			}
		}
		for _, crash := range []bool{false, true} {
			if crash {
				w.settle()
				w.crash()
			}
			if err := w.keyed(id, "x", key(room)); !errors.Is(err, client.ErrResourceExhausted) || !strings.Contains(err.Error(), "idempotency keys") {
				w.Errorf("one key too many (crash %t): %v, want ErrResourceExhausted", crash, err)
			}
			if err := w.keyed(id, "x", key(0)); err != nil {
				w.Errorf("a key that is known (crash %t): %v", crash, err)
			}
		}
		time.Sleep(25 * time.Hour)
		if err := w.keyed(id, "x", key(room)); err != nil {
			w.Errorf("a day later: %v", err)
		}
		w.raise(id, "e", "end")
		w.output(id, fmt.Sprint(room+1))
	})
}

func TestIdempotencyKeys_HaveABound(t *testing.T) {
	contract(t, addCounter, func(w *world) {
		id := w.mustStart("Counter", 0, client.StartOptions{})
		if err := w.keyed(id, "x", strings.Repeat("k", 300)); err != nil {
			w.Errorf("a key of 300 bytes: %v", err)
		}
		if err := w.keyed(id, "x", strings.Repeat("k", 301)); !errors.Is(err, client.ErrInvalidArgument) || !strings.Contains(err.Error(), "301 bytes") {
			w.Errorf("a key of 301 bytes: %v, want ErrInvalidArgument", err)
		}
	})
}
