package embedded

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// Counts that cannot be are seen when the store is opened.
func TestCountsAreCheckedAtOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status history.RuntimeStatus
		count  int64
		want   string
	}{
		{history.Running, 1, ""},
		{history.Running, 0, "0 instances are counted as Running"},
		{history.Running, -1, "-1 instances are counted as Running"},
		{history.Completed, 2, "2 instances are counted as Completed"},
	} {
		disk := vfs.NewMem()
		db, err := Open("store", Options{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		hub, err := db.Hub("h", store.HubOptions{Create: true, Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		owner, _ := storetest.Own(t, hub)
		delta := &store.Delta{Number: 1, ID: "i", OldStatus: history.Unknown, Row: &history.Instance{Number: 1, ID: "i", Status: history.Running}}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{delta}); err != nil {
			t.Fatal(err)
		}
		batch := db.pebble.NewBatch()
		if err := batch.Set(newKey(hub.id, spaceCounts).uint8(uint8(tt.status)), binary.BigEndian.AppendUint64(nil, uint64(tt.count)), nil); err != nil {
			t.Fatal(err)
		}
		if err := db.write(batch); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db, err = Open("store", Options{FS: disk})
		if err == nil {
			err = db.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open with %d instances counted as %s: error %v, want %q", tt.count, tt.status, err, tt.want)
		}
	}
}
