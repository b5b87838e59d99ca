package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// runPurge measures how fast completed instances go, what orchestrations that
// run meanwhile notice of it, and what becomes of their disk space.
func runPurge(ctx context.Context, site site) (metrics []metric, err error) {
	life, err := helloDeltas(ctx, site)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(site.dir)
	if err != nil {
		return nil, err
	}
	last, err := f.storeHellos(ctx, life, site.size.purged)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	p, err := startProcess(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	alone, err := p.hellosUntil(ctx, after(site.size.latencies))
	if err != nil {
		return nil, err
	}
	full, err := f.bytes()
	if err != nil {
		return nil, err
	}

	var (
		result engine.PurgeResult
		took   time.Duration
		failed error
		purged = make(chan struct{})
	)
	go func() { // waited for below
		defer close(purged)
		began := time.Now()
		filter := engine.PurgeFilter{Query: engine.Query{CreatedTo: last, Statuses: []history.RuntimeStatus{history.Completed}}}
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
	left, err := f.bytes()
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

// storeHellos stores n instances that have lived their life, and returns when
// the last one was created.
func (f *folder) storeHellos(ctx context.Context, life []engine.Delta, n int) (time.Time, error) {
	epochs, err := f.acquire(ctx)
	if err != nil {
		return time.Time{}, err
	}
	crowd := newCrowd(epochs)
	crowd.micros -= int64(n) // no engine has made any since
	for stored := 0; stored < n; stored += storedAtOnce {
		for _, deltas := range crowd.commits(min(storedAtOnce, n-stored), [][]engine.Delta{life}) {
			if err := f.hub.Commit(ctx, deltas); err != nil {
				return time.Time{}, fmt.Errorf("store %d deltas: %w", len(deltas), err)
			}
		}
	}
	return time.UnixMicro(crowd.micros), nil
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

// bytes returns how much disk the store takes.
func (f *folder) bytes() (sum int64, err error) {
	err = filepath.WalkDir(f.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the store just removed it
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
