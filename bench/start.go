package main

import (
	"context"
	"errors"
	"time"

	"github.com/perdure/perdure/client"
)

// runStartOnly measures how fast starts are accepted, each durable before its
// caller goes on, and how fast the store alone stores the very same starts.
//
// The engine has no executor, so nothing that was started runs: what is measured
// is the way of a start, the whole of it, and no turn competes with it. A command
// line that starts instances while no app runs is such an engine.
func runStartOnly(ctx context.Context, site site) ([]metric, error) {
	l, err := helloLife(ctx, site)
	if err != nil {
		return nil, err
	}
	var metrics []metric
	for _, crew := range []struct {
		callers int
		suffix  string
	}{{callers, ""}, {manyCallers, "_1000"}} {
		rate, err := startRate(ctx, site, crew.callers)
		if err != nil {
			return nil, err
		}
		floor, err := floorRate(ctx, site, l[:1].whole(), crew.callers, site.size.starts)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics,
			metric{"throughput" + crew.suffix, rate, "starts/s"},
			metric{"floor" + crew.suffix, floor, "starts/s"},
			metric{"throughput_to_floor" + crew.suffix, rate / floor, "ratio"})
	}
	return metrics, nil
}

// startRate returns how many starts a second so many callers get accepted.
func startRate(ctx context.Context, site site, callers int) (rate float64, err error) {
	f, err := openFolder(site)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	p := accept(ctx, f, nil)
	defer func() { err = errors.Join(p.stop(), err) }()
	start := func(int) error {
		_, err := p.Start(ctx, "Hello", nil, client.StartOptions{})
		return err
	}
	if err := start(0); err != nil { // returns when the hub is acquired
		return 0, err
	}
	began := time.Now()
	err = each(callers, site.size.starts, start)
	return float64(site.size.starts) / time.Since(began).Seconds(), err
}
