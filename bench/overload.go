package main

import (
	"context"
	"errors"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/perdure/perdure/client"
)

// runOverload measures what becomes of a hub that is asked for twice what it can do: how
// fast hellos are for 100 callers who wait, then for a while twice as many come
// whatever became of those before, and then the first again. Everything that was
// accepted must complete.
func runOverload(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		before, err := p.hellos(ctx, callers, site.size.hellos)
		if err != nil {
			return nil, err
		}
		watch, peak := context.WithCancel(ctx)
		memory := make(chan float64, 1)
		go func() { memory <- peakMemory(watch) }() // peak ends it; waited for below
		s, err := p.storm(ctx, 2*before[0].value, site.size.overload)
		peak()
		most := <-memory
		if err != nil {
			return nil, err
		}
		after, err := p.hellos(ctx, callers, site.size.hellos)
		if err != nil {
			return nil, err
		}
		return []metric{
			{"sustained", before[0].value, "orchestrations/s"},
			{"offered", float64(s.offered) / s.took.Seconds(), "orchestrations/s"},
			{"accepted", float64(len(s.latencies)) / s.took.Seconds(), "orchestrations/s"},
			{"refused", float64(s.refused) / float64(s.offered), "share"},
			{"latency_p50", quantile(s.latencies, 0.5), "ms"},
			{"latency_p99", quantile(s.latencies, 0.99), "ms"},
			{"peak_memory", most / (1 << 20), "MiB"},
			{"recovered", after[0].value / before[0].value, "ratio"},
		}, nil
	})
}

// storm is what became of hellos that came faster than they went.
type storm struct {
	offered int
	took    time.Duration // in which they came

	mu        sync.Mutex // guards the rest
	latencies []float64  // of those accepted, from the call to the end seen, in ms
	refused   int
	err       error // the first one
}

// storm starts so many hellos a second for a while, each by a caller of its own,
// and returns when all have ended or were refused.
func (p *process) storm(ctx context.Context, rate float64, while time.Duration) (*storm, error) {
	s := &storm{}
	var calls sync.WaitGroup
	began := time.Now()
	for ctx.Err() == nil && s.took < while {
		s.took = time.Since(began)
		for due := int(rate*s.took.Seconds()) + 1; s.offered < due; s.offered++ {
			calls.Go(func() { s.hello(ctx, p) }) // ends with the hello; waited for below
		}
		if err := rest(ctx, time.Millisecond); err != nil {
			s.note(0, err)
		}
	}
	calls.Wait()
	return s, s.err
}

func (s *storm) hello(ctx context.Context, p *process) {
	began := time.Now()
	err := p.complete(ctx, "Hello", nil)
	s.note(time.Since(began), err)
}

func (s *storm) note(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.latencies = append(s.latencies, milliseconds(took))
	case errors.Is(err, client.ErrResourceExhausted):
		s.refused++
	case s.err == nil:
		s.err = err
	}
}

// peakMemory returns the most bytes of heap and stacks in use that it sees
// until ctx ends.
func peakMemory(ctx context.Context) float64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	var most uint64
	for {
		metrics.Read(samples)
		var sum uint64
		for _, s := range samples {
			sum += s.Value.Uint64()
		}
		most = max(most, sum)
		if rest(ctx, 10*time.Millisecond) != nil {
			return float64(most)
		}
	}
}
