package main

import (
	"context"
	"time"

	"github.com/perdure/perdure/client"
)

// runHello measures throughput in two ways: with clients that only start, and
// then the engine has as much at hand as it can take; and with clients that
// wait for the end of what they started before they start again.
func runHello(ctx context.Context, site site) ([]metric, error) {
	n := site.size.hellos
	open, err := with(ctx, site, func(p *process) ([]metric, error) {
		before := p.store.load()
		ids := make([]string, n)
		err := each(n, func(i int) (err error) {
			ids[i], err = p.StartNew(ctx, "Hello", nil, client.StartOptions{})
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := each(n, func(i int) error { return p.completed(ctx, ids[i]) }); err != nil {
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
	})
	if err != nil {
		return nil, err
	}
	closed, err := with(ctx, site, func(p *process) ([]metric, error) {
		began := time.Now()
		err := each(n, func(int) error { return p.complete(ctx, "Hello", nil) })
		return []metric{{"throughput_waiting", float64(n) / time.Since(began).Seconds(), "orchestrations/s"}}, err
	})
	return append(open, closed...), err
}

// runLatency measures one orchestration at a time, from the call that starts it
// to the answer that it has completed.
func runLatency(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		took := make([]float64, site.size.latencies)
		for i := range took {
			began := time.Now()
			if err := p.complete(ctx, "Hello", nil); err != nil {
				return nil, err
			}
			took[i] = milliseconds(time.Since(began))
		}
		return []metric{{"p50", quantile(took, 0.5), "ms"}, {"p99", quantile(took, 0.99), "ms"}}, nil
	})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
