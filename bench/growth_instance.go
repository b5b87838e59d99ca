package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/perdure/perdure/client"
)

// growHistory measures chains whose history has x events in the end: what a step
// costs, and how long it takes to wake one that a hub that was just started has
// to rebuild from its history.
func growHistory(ctx context.Context, site site, xs []int, report func(int, []metric) error) error {
	for _, x := range xs {
		metrics, err := withFolder(site, func(f *folder) ([]metric, error) {
			p, err := startProcess(ctx, f)
			if err != nil {
				return nil, err
			}
			steps := x / 2 // scheduled and completed
			metrics, err := p.steps(ctx, steps, max(1, site.size.growthSteps/steps))
			var id client.InstanceID
			if err == nil {
				id, err = p.chainThatWaits(ctx, steps)
			}
			if err := errors.Join(err, p.stop(), f.db.Close()); err != nil {
				return nil, err
			}
			if p, _, err = f.serve(ctx); err != nil {
				return nil, err
			}
			began := time.Now()
			err = errors.Join(p.Raise(ctx, id, "Go", 1), p.completed(ctx, id))
			return append(metrics, metric{"wake_after_restart", milliseconds(time.Since(began)), "ms"}), errors.Join(err, p.stop())
		})
		if err == nil {
			err = report(x, metrics)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// steps runs chains one after another.
func (p *process) steps(ctx context.Context, steps, chains int) ([]metric, error) {
	before := p.store.load()
	_, err := timed(chains, func(int) error { return p.complete(ctx, "Chain", steps) })
	after := p.store.load()
	n := float64(steps * chains)
	return []metric{
		{"throughput", n / after.at.Sub(before.at).Seconds(), "steps/s"},
		{"cpu_of_a_step", milliseconds(after.cpu-before.cpu) / n, "ms"},
	}, err
}

// chainThatWaits starts a chain that waits for an event after its last step,
// and returns when it does.
func (p *process) chainThatWaits(ctx context.Context, steps int) (id client.InstanceID, err error) {
	if id, err = p.Start(ctx, "ChainThenGo", steps, client.StartOptions{}); err != nil {
		return "", err
	}
	return id, until(ctx, func() (bool, error) {
		status, err := p.Status(ctx, id, client.StatusOptions{OmitInput: true, OmitOutput: true})
		return err == nil && len(status.CustomStatus) > 0, err
	})
}

// payloadCallers is fewer than callers so that the largest payloads fit into
// what a hub accepts at a time.
const payloadCallers = 16

// growPayload measures an instance that hands its input of x bytes to an
// activity, which returns it, and ends with it: x bytes are stored four times.
func growPayload(ctx context.Context, site site, xs []int, report func(int, []metric) error) error {
	for _, x := range xs {
		metrics, err := with(ctx, site, func(p *process) ([]metric, error) {
			input := strings.Repeat("x", x)
			echo := func(int) error { return p.complete(ctx, "Echo", input) }
			n := min(site.size.pulse, site.size.growthBytes/(4*x+1))
			began := time.Now()
			if err := each(payloadCallers, n, echo); err != nil {
				return nil, err
			}
			rate := float64(n) / time.Since(began).Seconds()
			took, err := timed(min(n, site.size.latencies), echo)
			return []metric{
				{"throughput", rate, "orchestrations/s"},
				{"latency_p50", quantile(took, 0.5), "ms"},
				{"latency_p99", quantile(took, 0.99), "ms"},
			}, err
		})
		if err == nil {
			err = report(x, metrics)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
