package main

import (
	"context"
	"time"
)

// runFanOut measures one instance with many activities side by side.
func runFanOut(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		took, err := p.run(ctx, "FanOut", site.size.fanOut)
		return []metric{{"duration", took.Seconds(), "s"}}, err
	})
}

// runChain measures one instance with many activities one after another, and
// whether a step costs the same late in a long history as in a short one: it
// runs as many short chains as make the same number of steps.
func runChain(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		var short time.Duration
		for range site.size.chain / site.size.shortChain {
			took, err := p.run(ctx, "Chain", site.size.shortChain)
			if err != nil {
				return nil, err
			}
			short += took
		}
		long, err := p.run(ctx, "Chain", site.size.chain)
		return []metric{
			{"duration", long.Seconds(), "s"},
			{"steps", float64(site.size.chain) / long.Seconds(), "steps/s"},
			{"step_long_to_short", long.Seconds() / short.Seconds(), "ratio"},
		}, err
	})
}

// run runs an instance and returns how long that took.
func (p *process) run(ctx context.Context, name string, input any) (time.Duration, error) {
	began := time.Now()
	err := p.complete(ctx, name, input)
	return time.Since(began), err
}
