package embedded

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// Big records go with the small ones beside them: nobody could read what stayed.
func TestBigRecordsAreDeleted(t *testing.T) {
	t.Parallel()
	drop := &store.Delta{Number: 5}
	drop.DropRecords.End = 1000
	for name, last := range map[string]*store.Delta{
		"drop":  drop,
		"erase": {Erase: &history.Instance{Number: 5, ID: "i", Status: history.Running}},
	} {
		for _, count := range []uint32{3, 3 * manyRecords} { // one by one, as a range
			hub, owner := openHub(t, "store", Options{FS: vfs.NewMem()})
			deltas := []*store.Delta{{Number: 5, ID: "i", Row: &history.Instance{Number: 5, ID: "i"}, OldStatus: history.Unknown}}
			for seq := range count {
				deltas = append(deltas, &store.Delta{Number: 5, Record: &store.Record{Seq: seq, Bytes: make([]byte, bigRecord)}})
			}
			for _, commit := range [][]*store.Delta{deltas, {last}} {
				if err := owner.Commit(t.Context(), 0, commit); err != nil {
					t.Fatalf("Commit: %v", err)
				}
			}
			it, err := hub.db.pebble.NewIter(newKey(hub.id, spaceBig).prefix())
			if err != nil {
				t.Fatal(err)
			}
			if it.First() {
				t.Errorf("%s of %d records leaves the big record %x", name, count, it.Key())
			}
			if err := it.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
