package audit

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// Many callers at a time, 32 for each core: how long a line takes, and how many share a sync.
func BenchmarkAppend(b *testing.B) {
	l := Open(filepath.Join(b.TempDir(), "audit"), Options{})
	defer l.Close()
	var syncs atomic.Int64
	l.sync = func(f *os.File) error { syncs.Add(1); return f.Sync() }
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(slog.String("what", "start"), slog.String("by", "key"), slog.String("who", "ci"), slog.String("instance", "order-17")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(syncs.Load()), "lines/sync")
}
