package embedded_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/storetest"
)

// A disk that refuses a write to the log breaks the store; the process lives.
func TestBroken(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if refuse.Load() && strings.HasSuffix(op.Path, ".log") {
			return syscall.EIO
		}
		return nil
	}))
	db := mustOpen(t, "store", embedded.Options{FS: disk, FillLogs: true})
	hub, err := db.Hub("h", store.HubOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	owner, _ := storetest.Own(t, hub)
	refuse.Store(true)
	deltas := []*store.Delta{{Number: 1, ID: "i", Row: &history.Instance{Number: 1, ID: "i"}, OldStatus: history.Unknown}}
	for _, tt := range []struct {
		call string
		err  error
	}{
		{"Commit", owner.Commit(t.Context(), 0, deltas)},
		{"Commit, again", owner.Commit(t.Context(), 0, deltas)},
		{"FindInstance", func() error { _, _, err := hub.FindInstance(t.Context(), "i"); return err }()},
		{"ListInstances", func() error { _, err := hub.ListInstances(t.Context(), history.Query{}); return err }()},
		{"Join", func() error { _, err := hub.Join(t.Context(), store.Node{}); return err }()},
		{"Acquire", func() error { _, err := owner.Acquire(t.Context(), 0); return err }()},
		{"Close", db.Close()},
	} {
		if !errors.Is(tt.err, store.ErrBroken) || !strings.Contains(tt.err.Error(), syscall.EIO.Error()) {
			t.Errorf("%s on a broken disk = error %v, want %v", tt.call, tt.err, store.ErrBroken)
		}
	}
}
