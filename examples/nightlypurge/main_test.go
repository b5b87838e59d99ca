package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// TestPurge lets forty days pass in virtual time, with one instance a day.
func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := worker.New(app(), worker.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		e := engine.New(memory.New(4), w, engine.Options{})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }() // awaited below
		c := client.Local(e)

		const day = 24 * time.Hour
		var ids []string
		for range 40 {
			id, err := c.Start(t.Context(), "Greet", "you", client.StartOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(id))
			if _, err := c.Wait(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(day)
		}
		// It is day 40: the instances of days 0 to 9 are more than 30 days old.
		if err := Purge(t.Context(), c, host.TickTime{Due: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			_, err := c.Status(t.Context(), client.InstanceID(id), client.StatusOptions{})
			if purged := errors.Is(err, client.ErrNotFound); purged != (i < 10) {
				t.Errorf("instance of day %d: purged %v (%v), want only the first ten purged", i, purged, err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
