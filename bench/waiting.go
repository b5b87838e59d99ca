package main

import (
	"context"
	"errors"
	"time"

	"github.com/perdure/perdure/client"
)

// runWaiting measures what instances cost that wait for an event: memory and CPU
// while nothing happens, and the time in which a hub with all of them starts.
// They are started one by one through the client, so whatever an engine may
// keep of an instance once it has seen it is there.
func runWaiting(ctx context.Context, site site) ([]metric, error) {
	return withFolder(site, func(f *folder) ([]metric, error) {
		p, err := startProcess(ctx, f)
		if err != nil {
			return nil, err
		}
		n := site.size.waiting
		before := memoryInUse()
		err = each(manyCallers, n, func(int) error {
			_, err := p.Start(ctx, "AwaitGo", nil, client.StartOptions{})
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := p.begun(ctx); err != nil {
			return nil, err
		}
		memory := memoryInUse() - before
		idle, err := idleCPU(ctx, site.size.idle)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(p.stop(), f.db.Close()); err != nil {
			return nil, err
		}
		again, took, err := f.serve(ctx)
		if err != nil {
			return nil, err
		}
		return []metric{
			{"memory", memory / float64(n), "B/instance"},
			{"idle_cpu", idle, "ms/s"},
			{"restart", took, "s"},
		}, again.stop()
	})
}

// idleCPU returns how much CPU time the process uses in a second in which
// nothing is asked of it, measured for d.
func idleCPU(ctx context.Context, d time.Duration) (float64, error) {
	if err := settle(ctx, d); err != nil {
		return 0, err
	}
	used, err := cpuFor(ctx, d)
	return milliseconds(used) / d.Seconds(), err
}

// settle returns when what happened before has died away, collections and
// compactions of the store: the process has used next to no CPU time for d. It does not wait for
// ever.
func settle(ctx context.Context, d time.Duration) error {
	const parts = 5
	for quiet, tries := 0, 12*parts; quiet < parts && tries > 0; tries-- {
		used, err := cpuFor(ctx, d/parts)
		if err != nil {
			return err
		}
		if quiet++; used > d/parts/1_000 {
			quiet = 0
		}
	}
	return nil
}

// cpuFor returns the CPU time that the process uses for the next d.
func cpuFor(ctx context.Context, d time.Duration) (time.Duration, error) {
	before := processTime()
	if err := rest(ctx, d); err != nil {
		return 0, err
	}
	return processTime() - before, nil
}

// rest returns after d, or when ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
