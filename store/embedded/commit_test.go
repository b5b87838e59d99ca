package embedded

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// openHub returns a hub of one partition with its first epoch.
func openHub(t testing.TB, dir string, opts Options) (*Hub, engine.Epoch) {
	t.Helper()
	db, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("Open(%s): %v", dir, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	hub, err := db.Hub("h", HubOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	epoch, err := hub.Acquire(t.Context(), 0)
	if err != nil {
		t.Fatalf("Acquire(0): %v", err)
	}
	return hub, epoch
}

// A batch holds no more than what it leads to.
func TestBatchIsCoalesced(t *testing.T) {
	t.Parallel()
	key := engine.MessageKey{Seq: 1}
	row := func(status history.RuntimeStatus) *history.Instance {
		return &history.Instance{Number: 5, ID: "i", Status: status}
	}
	start := &engine.Delta{Number: 5, ID: "i", Row: row(history.Pending), OldStatus: history.Unknown, Record: &engine.Record{Seq: 1}, Work: engine.Set}
	run := &engine.Delta{Number: 5, ID: "i", Row: row(history.Running), OldStatus: history.Pending, Record: &engine.Record{Seq: 2}}
	end := &engine.Delta{Number: 5, ID: "i", Row: row(history.Completed), OldStatus: history.Running, Record: &engine.Record{Seq: 3}, Work: engine.Clear}
	send := &engine.Delta{Sent: []engine.Message{{MessageKey: key}}}
	consume := &engine.Delta{Consumed: []engine.MessageKey{key}}
	erase := &engine.Delta{Erase: &history.Instance{Number: 5, ID: "i", Status: history.Completed}}
	again := &engine.Delta{Number: 5, ID: "i", Record: &engine.Record{Seq: 4}}
	again.DropRecords.First, again.DropRecords.End = 1, 4
	for _, tt := range []struct {
		name   string
		deltas []*engine.Delta
		want   uint32 // operations in the batch
	}{
		{"nothing", []*engine.Delta{{}}, 0},
		{"start", []*engine.Delta{start}, 7},                                // row, id, status, name, count, record, work
		{"start and run", []*engine.Delta{start, run}, 8},                   // and a record
		{"from start to end", []*engine.Delta{start, run, end}, 8},          // and a record, but no work
		{"start, run, again", []*engine.Delta{start, run, again}, 7},        // the last record only
		{"run", []*engine.Delta{run}, 6},                                    // row, two of status, two counts, record
		{"run and end", []*engine.Delta{run, end}, 8},                       // and a record, work
		{"from start to erase", []*engine.Delta{start, run, end, erase}, 1}, // the id may belong to another
		{"erase", []*engine.Delta{erase}, 6},                                // id, row, status, name, count, work; no record is stored
		{"send", []*engine.Delta{send}, 1},
		{"consume", []*engine.Delta{consume}, 1},
		{"send and consume", []*engine.Delta{send, consume}, 0},
	} {
		hub, _ := openHub(t, "store", Options{FS: vfs.NewMem()})
		w := newWriter(hub)
		for _, d := range tt.deltas {
			w.add(d)
		}
		batch, _, err := w.finish()
		if err != nil || batch.Count() != tt.want {
			t.Errorf("batch of %s has %d operations, error %v, want %d", tt.name, batch.Count(), err, tt.want)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	hub, epoch := openHub(b, b.TempDir(), Options{})
	const turns = 100
	payload := make([]byte, 70)
	micros := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		deltas := make([]*engine.Delta, turns)
		for i := range deltas {
			micros++
			number := history.NewNumber(micros, 0)
			id := history.NewInstanceID()
			deltas[i] = &engine.Delta{
				Epoch: epoch, Number: number, ID: id, OldStatus: history.Unknown,
				Row:    &history.Instance{Number: number, ID: id, Name: "Hello", Status: history.Completed},
				Record: &engine.Record{Seq: 1, Bytes: payload},
			}
		}
		if err := hub.Commit(b.Context(), deltas); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(turns*b.N)/b.Elapsed().Seconds(), "turns/s")
}
