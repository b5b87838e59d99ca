package embedded

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// tableBytes returns how many bytes the tables in a store folder take. The
// logs are left aside: Pebble keeps some to write them again.
func tableBytes(t *testing.T, disk vfs.FS) (sum int64) {
	t.Helper()
	dir := disk.PathJoin("store", "data")
	names, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			continue
		}
		info, err := disk.Stat(disk.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

// endedInstances commits count instances with a payload each.
func endedInstances(t *testing.T, owner store.Tenure, count int) []*store.Delta {
	t.Helper()
	rng := newNoise()
	var all, batch []*store.Delta
	for i := range count {
		number, id := history.NewNumber(int64(i+1), 0), history.InstanceID(fmt.Sprintf("i%06d", i))
		d := &store.Delta{
			Number: number, ID: id, OldStatus: history.Unknown,
			Row:    &history.Instance{Number: number, ID: id, Name: "Hello", Status: history.Completed, Tags: map[string]string{"k": "v"}},
			Record: &store.Record{Seq: 1, Bytes: rng.bytes(4 << 10)},
		}
		if i%100 == 0 {
			d.Record.Bytes = rng.bytes(40 << 10)
		}
		all, batch = append(all, d), append(batch, d)
		if len(batch) == 1000 || i == count-1 {
			if err := owner.Commit(t.Context(), 0, batch); err != nil {
				t.Fatalf("Commit: %v", err)
			}
			batch = nil
		}
	}
	return all
}

// noise is bytes that do not shrink when they are compressed.
type noise struct{ state uint64 }

func newNoise() *noise { return &noise{1} }

func (n *noise) bytes(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		n.state = n.state*6364136223846793005 + 1442695040888963407
		b[i] = byte(n.state >> 56)
	}
	return b
}

// Erasing 20,000 instances gives their disk space back, with the store open.
func TestReclaim(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	db := hub.db
	db.reclaimer.delay = 0
	all := endedInstances(t, owner, 20_000)
	if err := db.pebble.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	full := tableBytes(t, disk)
	last := all[len(all)-1]
	for i := 0; i < len(all)-1; i += 1000 {
		var deltas []*store.Delta
		for _, d := range all[i:min(i+1000, len(all)-1)] {
			deltas = append(deltas, &store.Delta{Erase: d.Row})
		}
		if err := owner.Commit(t.Context(), 0, deltas); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
	db.reclaimer.worker.Wait()
	if total := db.pebble.Metrics().Total(); total.AggregateSize() > full/20 {
		t.Errorf("the tables take %d KiB after all but one instance of %d KiB were erased", total.AggregateSize()>>10, full>>10)
	}
	page, err := hub.ListInstances(t.Context(), history.Query{Name: "hello"})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].ID != last.ID {
		t.Errorf("ListInstances = %d rows, error %v, want instance %s", len(page.Rows), err, last.ID)
	}
	if err := db.Close(); err != nil { // deletes what is obsolete
		t.Fatalf("Close: %v", err)
	}
	if left := tableBytes(t, disk); left > full/20 {
		t.Errorf("the tables take %d KiB once closed", left>>10)
	}
}

// Deleting a hub gives its disk space back, at once if that is asked for.
func TestReclaimHub(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	db := hub.db
	endedInstances(t, owner, 2_000)
	if err := db.pebble.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	full := tableBytes(t, disk)
	if err := db.DeleteHub("h"); err != nil {
		t.Fatalf("DeleteHub(h): %v", err)
	}
	if err := db.Reclaim(t.Context()); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	if err := db.Close(); err != nil { // deletes what is obsolete
		t.Fatalf("Close: %v", err)
	}
	if left := tableBytes(t, disk); left > full/20 {
		t.Errorf("the tables take %d KiB after the only hub, of %d KiB, was deleted", left>>10, full>>10)
	}
}

// What was erased long ago may lie below what came since; Compact leaves only
// what is there.
func TestCompact(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	db := hub.db
	all := endedInstances(t, owner, 2_000)
	if err := db.pebble.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	full := tableBytes(t, disk)
	for _, d := range all[len(all)/2:] {
		d := &store.Delta{Erase: d.Row}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{d}); err != nil {
			t.Fatalf("Commit(%+v): %v", d, err)
		}
	}
	if err := db.Compact(t.Context()); err != nil {
		t.Fatalf("Compact: %v", err)
	}
	total := db.pebble.Metrics().Total()
	if left := int64(total.AggregateSize()); left < full*9/20 || left > full*11/20 {
		t.Errorf("the tables take %d KiB after half of %d KiB was erased", left>>10, full>>10)
	}
	if counts, err := hub.CountInstances(t.Context(), history.Query{}); err != nil || counts.Total() != int64(len(all)/2) {
		t.Errorf("CountInstances = %v, %v, want %d", counts, err, len(all)/2)
	}
}

// Close leaves no more than a small log for the next Open to read.
func TestCloseFlushes(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	endedInstances(t, owner, 1_000)
	if full := hub.db.pebble.Metrics().WAL.Size; full < 4<<20 {
		t.Fatalf("the log has %d KiB, want more than 4 MiB", full>>10)
	}
	if err := hub.db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	db, err := Open("store", Options{FS: disk, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer db.Close()
	if read := db.pebble.Metrics().Levels[0].TableBytesFlushed; read != 0 { // Open flushes what it finds in a log
		t.Errorf("Open read %d KiB of logs, want none", read>>10)
	}
	again, err := db.Hub("h", store.HubOptions{})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	if counts, err := again.CountInstances(t.Context(), history.Query{}); err != nil || counts.Total() != 1_000 {
		t.Errorf("CountInstances = %v, error %v, want 1,000", counts, err)
	}
}
