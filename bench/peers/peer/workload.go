package peer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// size is how big the workloads are.
type size struct {
	warmUp, hellos, latencies, fanOut, chain, events int
}

// full leads to runs of some seconds each; hellos is a flag.
var full = size{warmUp: 200, hellos: 5_000, latencies: 500, fanOut: 5_000, chain: 1_000, events: 500}

// small shows that everything works and measures nothing.
var small = size{warmUp: 5, hellos: 20, latencies: 10, fanOut: 10, chain: 10, events: 5}

// workload is something to measure.
type workload struct {
	name string
	run  func(ctx context.Context, s *site) ([]metric, error)
}

// site is what is measured, how much, and a word from each instance of AwaitGo
// that is about to wait.
type site struct {
	System
	size    size
	waiting <-chan struct{}
}

// workloads are those of Perdure's own benchmark of the same names.
var workloads = []workload{
	{"hello", func(ctx context.Context, s *site) ([]metric, error) { return hello(ctx, s, 100, s.size.hellos) }},
	{"hello1000", func(ctx context.Context, s *site) ([]metric, error) { return hello(ctx, s, 1_000, 2*s.size.hellos) }},
	{"latency", latency},
	{"fanout", fanOut},
	{"chain", chain},
	{"events", events},
}

// metric is one number that a workload leads to.
type metric struct {
	name  string
	value float64
	unit  string
}

// hello is a closed loop: each of the callers starts an orchestration and waits
// for its result before it starts the next one.
func hello(ctx context.Context, s System, callers, n int) ([]metric, error) {
	cpu, err := treeTime()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := each(ctx, callers, n, func(int) error { return greet(ctx, s) }); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := treeTime()
	return []metric{
		{"throughput", float64(n) / took.Seconds(), "orchestrations/s"},
		{"cpu", milliseconds(after-cpu) / float64(n), "ms/orchestration"},
		{"count", float64(n), "orchestrations"},
	}, err
}

// latency is one orchestration at a time, from the call that starts it to its
// result.
func latency(ctx context.Context, s *site) ([]metric, error) {
	took := make([]float64, s.size.latencies)
	for i := range took {
		began := time.Now()
		if err := greet(ctx, s); err != nil {
			return nil, err
		}
		took[i] = milliseconds(time.Since(began))
	}
	slices.Sort(took)
	return []metric{
		{"p50", quantile(took, 0.5), "ms"},
		{"p99", quantile(took, 0.99), "ms"},
		{"count", float64(s.size.latencies), "orchestrations"},
	}, nil
}

// fanOut is one orchestration with many activities side by side.
func fanOut(ctx context.Context, s *site) ([]metric, error) {
	return timed(s.size.fanOut, s.size.fanOut*(s.size.fanOut+1)/2, func(n int) (int, error) { return s.FanOut(ctx, n) })
}

// chain is one orchestration with many activities one after another.
func chain(ctx context.Context, s *site) ([]metric, error) {
	return timed(s.size.chain, s.size.chain, func(n int) (int, error) { return s.Chain(ctx, n) })
}

func timed(n, want int, call func(n int) (int, error)) ([]metric, error) {
	began := time.Now()
	got, err := call(n)
	took := time.Since(began)
	if err == nil && got != want {
		err = fmt.Errorf("result is %d, want %d", got, want)
	}
	return []metric{{"duration", took.Seconds(), "s"}, {"count", float64(n), "activities"}}, err
}

// settling is how long events waits between the last instance's word that it is
// about to wait and the first event, so that all have written what waiting takes.
const settling = time.Second

// events is many orchestrations that wait for an event each: from the first
// event sent, by 100 callers, until the last result is there.
func events(ctx context.Context, s *site) ([]metric, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := s.size.events
	id := func(i int) string { return fmt.Sprintf("waiting-%d", i) }
	ended := make(chan error, n) // sent the end of each
	for i := range n {
		go func() { // ends with the orchestration, or with ctx
			got, err := s.AwaitGo(ctx, id(i))
			if err == nil && got != i {
				err = fmt.Errorf("instance %d: result is %d, want %d, the value of its event", i, got, i)
			}
			ended <- err
		}()
	}
	for range n {
		select {
		case <-s.waiting:
		case err := <-ended:
			return nil, fmt.Errorf("ended without an event: %w", err)
		}
	}
	time.Sleep(settling)
	began := time.Now()
	if err := each(ctx, 100, n, func(i int) error { return s.Raise(ctx, id(i), i) }); err != nil {
		return nil, err
	}
	for range n {
		if err := <-ended; err != nil {
			return nil, err
		}
	}
	return []metric{{"duration", time.Since(began).Seconds(), "s"}, {"count", float64(n), "instances"}}, nil
}

// greet runs a hello and checks its result.
func greet(ctx context.Context, s System) error {
	got, err := s.Hello(ctx)
	if err == nil && (len(got) != len(Cities) || got[0] != SayHello(Cities[0]) || got[2] != SayHello(Cities[2])) {
		err = fmt.Errorf("hello's result is %q", got)
	}
	return err
}

// each calls do for 0 to n-1, by as many callers at a time as told. After an
// error, or when ctx is done, it begins no more calls and returns the first error.
func each(ctx context.Context, callers, n int, do func(i int) error) error {
	var (
		calls   sync.WaitGroup
		begun   atomic.Int64
		once    sync.Once
		failure error
	)
	for range min(callers, n) {
		calls.Go(func() { // ends when all is begun or failed; waited for below
			for i := begun.Add(1) - 1; i < int64(n); i = begun.Add(1) - 1 {
				err := ctx.Err()
				if err == nil {
					err = do(int(i))
				}
				if err != nil {
					once.Do(func() { failure = fmt.Errorf("call %d of %d: %w", i+1, n, err) })
					begun.Store(int64(n))
				}
			}
		})
	}
	calls.Wait()
	return failure
}

// quantile returns the value below or at which the fraction q of the sorted
// values lies.
func quantile(sorted []float64, q float64) float64 {
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
