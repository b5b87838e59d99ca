package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/worker"
)

// BenchmarkTimersAtOneInstant has many timers of one instance fire at one instant, and
// tells how late the last of them is. The aims: 100,000 within 5 s, and in at most 12 times
// what 10,000 take.
func BenchmarkTimersAtOneInstant(b *testing.B) {
	var small time.Duration
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var late time.Duration
			for b.Loop() {
				late += lateness(b, n)
			}
			late /= time.Duration(b.N)
			b.ReportMetric(late.Seconds(), "s-late")
			if n == 10_000 {
				small = late
				return
			}
			b.ReportMetric(5, "s-late-aim")
			if small > 0 {
				b.ReportMetric(late.Seconds()/small.Seconds(), "times-10000")
				b.ReportMetric(12, "times-10000-aim")
			}
		})
	}
}

// lateness runs an instance with n timers of one instant, on disk, and returns how much
// later it ends.
func lateness(b *testing.B, n int) time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	app := perdure.New()
	perdure.AddOrchestrator(app, "Timers", func(ctx *perdure.OrchestrationContext, due time.Time) (int, error) {
		timers := make([]*perdure.Task[struct{}], n)
		for i := range timers {
			timers[i] = ctx.CreateTimerAt(due).Task
		}
		_, err := perdure.WhenAll(ctx, timers...).Await()
		return 0, err
	})
	run, err := worker.New(app, worker.Options{MaxActions: n + 1})
	if err != nil {
		b.Fatal(err)
	}
	db, err := embedded.Open(b.TempDir(), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	hub, err := db.Hub("Hub", store.HubOptions{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	eng := engine.New(hub, run, engine.Options{})
	ended := make(chan error, 1)
	go func() { ended <- eng.Run(ctx) }()
	c := client.Local(eng)
	due := time.Now().Add(time.Duration(n) * 50 * time.Microsecond)
	id, err := c.Start(ctx, "Timers", due, client.StartOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if st, err := c.Wait(ctx, id); err != nil || !st.RuntimeStatus.Terminal() {
		b.Fatalf("the instance with timers ended with %+v, %v", st, err)
	}
	late := time.Since(due)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	run.Close()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return late
}
