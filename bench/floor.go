package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// runFloor measures what no engine can beat on this disk: the store alone,
// storing what hello stores, and the disk alone, syncing.
func runFloor(ctx context.Context, site site) ([]metric, error) {
	l, err := helloLife(ctx, site)
	if err != nil {
		return nil, err
	}
	var metrics []metric
	for _, way := range []struct {
		name   string
		atOnce int // instances that one commit is about
		parts  []life
	}{
		{"throughput", callers, l.whole()},
		{"throughput_stepwise", callers, l.stepwise()},
		{"throughput_stepwise_1000", manyCallers, l.stepwise()},
	} {
		rate, err := floorRate(ctx, site, way.parts, way.atOnce, site.size.floor)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics, metric{way.name, rate, "orchestrations/s"})
	}
	syncs, err := syncRate(site)
	return append(metrics, metric{"fsync", syncs, "fsyncs/s"}), err
}

// floorRate stores the parts of an instance's life for n instances, each part
// of so many instances at once as one commit, and returns how many instances a
// second that makes. Making up the deltas does not count.
func floorRate(ctx context.Context, site site, parts []life, atOnce, n int) (rate float64, err error) {
	f, err := openFolder(site)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	owner, err := f.own(ctx)
	if err != nil {
		return 0, err
	}
	crowd := newCrowd(f.hub.Partitions())
	var took time.Duration
	for stored := 0; stored < n; stored += atOnce {
		commits := crowd.commits(min(atOnce, n-stored), parts)
		began := time.Now()
		for _, deltas := range commits {
			if err := owner.Commit(ctx, 0, deltas); err != nil {
				return 0, fmt.Errorf("commit %d deltas: %w", len(deltas), err)
			}
		}
		took += time.Since(began)
	}
	return float64(n) / took.Seconds(), nil
}

// syncRate returns how many small appends a second the disk makes durable, one
// after another, with the call that the store uses.
func syncRate(site site) (rate float64, err error) {
	f, err := openFolder(site)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	file, err := vfs.Default.Create(filepath.Join(f.dir, "appended"), vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	line := make([]byte, 512)
	began := time.Now()
	for range site.size.syncs {
		if _, err := file.Write(line); err != nil {
			return 0, err
		}
		if err := file.SyncData(); err != nil {
			return 0, err
		}
	}
	return float64(site.size.syncs) / time.Since(began).Seconds(), nil
}
