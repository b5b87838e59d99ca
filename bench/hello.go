package main

import (
	"context"
	"time"
)

// helloBy measures throughput with callers who each wait for the end of what
// they started before they start again.
func helloBy(callers int) func(ctx context.Context, site site) ([]metric, error) {
	return func(ctx context.Context, site site) ([]metric, error) {
		return with(ctx, site, func(p *process) ([]metric, error) { return p.hellos(ctx, callers, site.size.hellos) })
	}
}

// hellos runs n hellos for so many callers and returns what that took.
func (p *process) hellos(ctx context.Context, callers, n int) ([]metric, error) {
	before := p.store.load()
	if err := each(callers, n, func(int) error { return p.complete(ctx, "Hello", nil) }); err != nil {
		return nil, err
	}
	after := p.store.load()
	took, commits := after.at.Sub(before.at), float64(after.commits-before.commits)
	return []metric{
		{"throughput", float64(n) / took.Seconds(), "orchestrations/s"},
		{"cpu", milliseconds(after.cpu-before.cpu) / float64(n), "ms/orchestration"},
		{"commits", commits / took.Seconds(), "commits/s"},
		{"deltas_per_commit", float64(after.deltas-before.deltas) / commits, "deltas/commit"},
		{"time_in_commits", (after.committing - before.committing).Seconds() / took.Seconds(), "share"},
	}, nil
}

// runLatency measures one orchestration at a time, from the call that starts it
// to the answer that it has completed.
func runLatency(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		took, err := p.hellosUntil(ctx, after(site.size.latencies))
		if err != nil {
			return nil, err
		}
		return []metric{{"p50", quantile(took, 0.5), "ms"}, {"p99", quantile(took, 0.99), "ms"}}, nil
	})
}

// hellosUntil runs hello, one at a time, until enough says so of how many there
// have been, and returns how long each took, in milliseconds.
func (p *process) hellosUntil(ctx context.Context, enough func(n int) bool) ([]float64, error) {
	var took []float64
	for !enough(len(took)) {
		began := time.Now()
		if err := p.complete(ctx, "Hello", nil); err != nil {
			return nil, err
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	return took, nil
}

func after(count int) func(int) bool { return func(n int) bool { return n >= count } }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
