package main

import (
	"context"
	"errors"
	"testing"
)

// BenchmarkHello runs hello through the client, callers at a time for each core.
func BenchmarkHello(b *testing.B) {
	ctx := context.Background()
	f, err := openFolder(site{dir: b.TempDir()})
	if err != nil {
		b.Fatalf("openFolder() = %v", err)
	}
	p, err := startProcess(ctx, f)
	if err != nil {
		b.Fatalf("startProcess() = %v", err)
	}
	defer func() {
		if err := errors.Join(p.stop(), f.close()); err != nil {
			b.Errorf("close: %v", err)
		}
	}()
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := p.complete(ctx, "Hello", nil); err != nil {
				b.Errorf("complete(Hello) = %v", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orchestrations/s")
}
