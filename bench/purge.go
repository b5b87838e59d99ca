package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// runPurge measures how fast completed instances go, what orchestrations that
// run meanwhile notice of it, and what becomes of their disk space.
func runPurge(ctx context.Context, site site) (metrics []metric, err error) {
	l, err := helloLife(ctx, site)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(site)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	last, err := f.fill(ctx, l, site.size.purged)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	alone, err := p.hellosUntil(ctx, after(site.size.latencies))
	if err != nil {
		return nil, err
	}
	full, _, err := f.bytes()
	if err != nil {
		return nil, err
	}

	var (
		result hub.PurgeResult
		took   time.Duration
		failed error
		purged = make(chan struct{})
	)
	go func() { // waited for below
		defer close(purged)
		began := time.Now()
		filter := hub.PurgeFilter{Query: history.Query{CreatedTo: new(last), Statuses: []history.RuntimeStatus{history.Completed}}}
		result, failed = p.engine.PurgeBy(ctx, filter)
		took = time.Since(began)
	}()
	during, err := p.hellosUntil(ctx, func(n int) bool {
		select {
		case <-purged:
			return n > 0
		default:
			return false
		}
	})
	<-purged
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	if result.Deleted < site.size.purged {
		return nil, fmt.Errorf("%d of %d instances were purged", result.Deleted, site.size.purged)
	}
	if err := f.db.Reclaim(ctx); err != nil {
		return nil, err
	}
	left, _, err := f.bytes()
	return []metric{
		{"duration", took.Seconds(), "s"},
		{"throughput", float64(result.Deleted) / took.Seconds(), "instances/s"},
		{"hello_p50", quantile(during, 0.5), "ms"},
		{"hello_p99", quantile(during, 0.99), "ms"},
		{"hello_p50_alone", quantile(alone, 0.5), "ms"},
		{"hello_p99_alone", quantile(alone, 0.99), "ms"},
		{"disk_before", float64(full) / (1 << 20), "MiB"},
		{"disk_after", float64(left) / (1 << 20), "MiB"},
	}, err
}
