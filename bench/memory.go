package main

import (
	"context"
	"runtime"
)

// runMemory measures whether instances that have ended leave anything behind.
// The numbers are of the whole process, with the caches of engine and store.
func runMemory(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		n := site.size.ended
		if err := each(callers, n/10, func(int) error { return p.complete(ctx, "Hello", nil) }); err != nil {
			return nil, err
		}
		early := memoryInUse()
		if err := each(callers, n-n/10, func(int) error { return p.complete(ctx, "Hello", nil) }); err != nil {
			return nil, err
		}
		late := memoryInUse()
		return []metric{
			{"after_a_tenth", early / (1 << 20), "MiB"},
			{"after_all", late / (1 << 20), "MiB"},
			{"after_all_to_a_tenth", late / early, "ratio"},
		}, nil
	})
}

// memoryInUse returns the bytes of heap and stacks in use after a collection.
func memoryInUse() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of in the first
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapInuse + stats.StackInuse)
}
