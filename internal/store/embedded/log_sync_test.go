package embedded

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// syncedLogs counts, over all logs, the writes that no sync that began later has ended for.
type syncedLogs struct {
	vfs.FS
	unsynced *atomic.Int64
	reused   *atomic.Int64 // logs that were used again
}

func (s syncedLogs) log(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return file, err
	}
	return syncedLog{file, s.unsynced}, nil
}

func (s syncedLogs) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := s.FS.Create(name, category)
	return s.log(name, file, err)
}

func (s syncedLogs) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	s.reused.Add(1)
	file, err := s.FS.ReuseForWrite(from, to, category)
	return s.log(to, file, err)
}

type syncedLog struct {
	vfs.File
	unsynced *atomic.Int64
}

func (l syncedLog) Write(p []byte) (int, error) {
	l.unsynced.Add(1)
	return l.File.Write(p)
}

func (l syncedLog) sync(how func() error) error {
	before := l.unsynced.Load()
	err := how()
	l.unsynced.Add(-before)
	return err
}

func (l syncedLog) Sync() error     { return l.sync(l.File.Sync) }
func (l syncedLog) SyncData() error { return l.sync(l.File.SyncData) }

func (l syncedLog) SyncTo(int64) (bool, error) { return true, l.Sync() }

// A commit returns when a sync that began after its write has ended, whatever way the log goes: small
// writes that fill it ahead and overwrite what was filled, large ones that append, and
// logs that are used again.
func TestNoCommitReturnsBeforeItsSync(t *testing.T) {
	t.Parallel()
	for _, fill := range []bool{true, false} {
		t.Run(fmt.Sprint("filled ", fill), func(t *testing.T) {
			t.Parallel()
			fs := syncedLogs{vfs.NewMem(), new(atomic.Int64), new(atomic.Int64)}
			hub, owner := openHub(t, "store", Options{FS: fs, FillLogs: fill, CacheBytes: 1 << 20})
			for i := range 120 {
				n := history.NewNumber(int64(i+1), 0)
				id := history.InstanceID(fmt.Sprint("i", i))
				size := []int{100, 100, 20 << 10, 300 << 10}[i%4]
				err := owner.Commit(t.Context(), 0, []*store.Delta{{
					Number: n, ID: id, OldStatus: history.Unknown, Row: &history.Instance{Number: n, ID: id},
					Record: &store.Record{Seq: 1, Bytes: make([]byte, size)},
				}})
				if err != nil {
					t.Fatal(err)
				}
				if unsynced := fs.unsynced.Load(); unsynced != 0 {
					t.Fatalf("commit %d of %d bytes returns with %d writes to the log that were not synced", i, size, unsynced)
				}
				if i%40 == 39 {
					if err := hub.db.pebble.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if fs.reused.Load() == 0 {
				t.Error("no log was used again")
			}
		})
	}
}
