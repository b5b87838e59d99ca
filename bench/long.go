package main

import (
	"context"
	"time"
)

// runFanOut measures one instance with many activities side by side.
func runFanOut(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		took, err := p.timed(ctx, "FanOut", site.size.fanOut)
		return []metric{{"duration", took.Seconds(), "s"}}, err
	})
}

// runChain measures one instance with many activities one after another, and
// whether a step costs the same late in a long history as in a short one.
func runChain(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		short, err := p.timed(ctx, "Chain", site.size.shortChain)
		if err != nil {
			return nil, err
		}
		long, err := p.timed(ctx, "Chain", site.size.chain)
		shortStep, longStep := short.Seconds()/float64(site.size.shortChain), long.Seconds()/float64(site.size.chain)
		return []metric{
			{"duration", long.Seconds(), "s"},
			{"steps", 1 / longStep, "steps/s"},
			{"step_long_to_short", longStep / shortStep, "ratio"},
		}, err
	})
}

// timed runs an instance and returns how long that took.
func (p *process) timed(ctx context.Context, name string, input any) (time.Duration, error) {
	began := time.Now()
	err := p.complete(ctx, name, input)
	return time.Since(began), err
}
