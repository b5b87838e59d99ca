package engine_test

import (
	"context"
	"sync"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// BenchmarkHello runs three activities in a chain through an engine on the
// memory store, for a hundred callers a core: what the engine, the worker and a
// client cost without a disk.
func BenchmarkHello(b *testing.B) {
	app := perdure.New()
	perdure.AddActivity(app, "Greet", greet)
	perdure.AddOrchestrator(app, "Hello", func(ctx *perdure.OrchestrationContext, _ any) ([]string, error) {
		var greetings []string
		for _, city := range []string{"Tokyo", "Seattle", "London"} {
			greeting, err := perdure.CallActivity(ctx, greet, city).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, greeting)
		}
		return greetings, nil
	})
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		b.Fatalf("New() = %v", err)
	}
	defer w.Close()
	e := engine.New(memory.New(64), w, engine.Options{})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { // cancel ends it; waited for below
		if err := e.Run(ctx); err != nil {
			b.Errorf("Run() = %v", err)
		}
	})
	defer running.Wait()
	defer cancel()
	c := client.Local(e)
	hello := func() error {
		id, err := c.Start(b.Context(), "Hello", nil, client.StartOptions{})
		if err != nil {
			return err
		}
		status, err := c.Wait(b.Context(), id)
		if err != nil {
			return err
		}
		return status.Err()
	}
	b.ReportAllocs()
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := hello(); err != nil {
				b.Errorf("hello: %v", err)
				return
			}
		}
	})
}
