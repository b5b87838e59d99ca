package replay

import (
	"context"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

func endless(c *Context, input string) string {
	for {
		wait(c, call(c, "A", input))
	}
}

func hearing(c *Context, input string) string {
	for {
		wait(c, c.WaitForEvent("Go", time.Time{}))
	}
}

// One turn of a session that is kept: an activity's result in, the next call
// out.
func BenchmarkTurn(b *testing.B) {
	benchmarkTurns(b, endless, func(i int) history.Event { return done(int32(i), "1") })
}

// One turn of a session that is kept: an event in.
func BenchmarkEventTurn(b *testing.B) {
	benchmarkTurns(b, hearing, func(int) history.Event { return raised("Go", "1") })
}

func benchmarkTurns(b *testing.B, run func(c *Context, input string) string, event func(i int) history.Event) {
	s := New(code(run), Config{MaxActions: 1 << 30})
	defer s.Stop()
	ctx := context.Background()
	turn := func(past int, ev history.Event) {
		work := history.Work{PastTurns: past, Turn: history.Turn{At: epoch, Events: []history.Event{ev}}}
		if _, err := s.Run(ctx, work); err != nil {
			b.Fatal(err)
		}
	}
	turn(0, start("1"))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		turn(i+1, event(i))
	}
}

// A session rebuilt from a history of 10 000 events: 5 000 calls in sequence.
func BenchmarkReplay10000(b *testing.B) {
	d := newDriver(b, code(endless), false)
	if _, err := d.turn(start("1")); err != nil {
		b.Fatal(err)
	}
	for i := range int32(4999) {
		if _, err := d.turn(done(i, "1")); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s := New(d.run, d.config)
		work := history.Work{PastTurns: len(d.past), Past: d.turns, Turn: history.Turn{At: epoch, Events: []history.Event{raised("x", "")}}}
		if _, err := s.Run(ctx, work); err != nil {
			b.Fatal(err)
		}
		s.Stop()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/event")
}
