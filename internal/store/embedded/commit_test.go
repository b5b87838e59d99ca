package embedded

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// openHub returns a hub of one partition and a tenure that owns it.
func openHub(t testing.TB, dir string, opts Options) (*Hub, store.Tenure) {
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
	hub, err := db.Hub("h", store.HubOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	owner, _ := storetest.Own(t, hub)
	return hub, owner
}

// A batch holds no more than what it leads to.
func TestBatchIsCoalesced(t *testing.T) {
	t.Parallel()
	key := store.MessageKey{Seq: 1}
	row := func(status history.RuntimeStatus) *history.Instance {
		return &history.Instance{Number: 5, ID: "i", Status: status}
	}
	start := &store.Delta{Number: 5, ID: "i", Row: row(history.Pending), OldStatus: history.Unknown, Record: &store.Record{Seq: 1}, Work: store.Set}
	run := &store.Delta{Number: 5, ID: "i", Row: row(history.Running), OldStatus: history.Pending, Record: &store.Record{Seq: 2}}
	end := &store.Delta{Number: 5, ID: "i", Row: row(history.Completed), OldStatus: history.Running, Record: &store.Record{Seq: 3}, Work: store.Clear}
	send := &store.Delta{Sent: []store.Message{{MessageKey: key}}}
	consume := &store.Delta{Consumed: []store.MessageKey{key}}
	erase := &store.Delta{Erase: &history.Instance{Number: 5, ID: "i", Status: history.Completed}}
	again := &store.Delta{Number: 5, ID: "i", Record: &store.Record{Seq: 4}}
	again.DropRecords.First, again.DropRecords.End = 1, 4
	hub, _ := openHub(t, "store", Options{FS: vfs.NewMem()})
	w := newWriter(hub)
	for _, tt := range []struct {
		name   string
		deltas []*store.Delta
		want   uint32 // operations in the batch
	}{
		{"nothing", []*store.Delta{{}}, 0},
		{"start", []*store.Delta{start}, 7},                                // row, id, status, name, count, record, work
		{"start and run", []*store.Delta{start, run}, 8},                   // and a record
		{"from start to end", []*store.Delta{start, run, end}, 8},          // and a record, but no work
		{"start, run, again", []*store.Delta{start, run, again}, 7},        // the last record only
		{"run", []*store.Delta{run}, 6},                                    // row, two of status, two counts, record
		{"run and end", []*store.Delta{run, end}, 8},                       // and a record, work
		{"from start to erase", []*store.Delta{start, run, end, erase}, 1}, // the id may belong to another
		{"erase", []*store.Delta{erase}, 6},                                // id, row, status, name, count, work; no record is stored
		{"send", []*store.Delta{send}, 1},
		{"consume", []*store.Delta{consume}, 1},
		{"send and consume", []*store.Delta{send, consume}, 0},
	} {
		w.hub.counts = new(counts)
		w.batch = w.hub.db.pebble.NewBatch()
		for _, d := range tt.deltas {
			w.add(d)
		}
		if err := w.finish(); err != nil || w.batch.Count() != tt.want {
			t.Errorf("batch of %s has %d operations, error %v, want %d", tt.name, w.batch.Count(), err, tt.want)
		}
		w.reset() // it is used again
	}
}

// BenchmarkCommit stores hellos, a hundred instances at a time: all that becomes
// of them in one commit, or a commit for each step.
func BenchmarkCommit(b *testing.B) {
	b.Run("whole", func(b *testing.B) {
		benchmarkCommit(b, func(hellos [][]*store.Delta) [][]*store.Delta { return [][]*store.Delta{slices.Concat(hellos...)} })
	})
	b.Run("steps", func(b *testing.B) { benchmarkCommit(b, bySteps) })
}

func benchmarkCommit(b *testing.B, commits func(hellos [][]*store.Delta) [][]*store.Delta) {
	_, owner := openHub(b, b.TempDir(), Options{})
	const crowd = 100
	micros := time.Now().UnixMicro()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		hellos := make([][]*store.Delta, crowd)
		for i := range hellos {
			micros++
			hellos[i] = helloDeltas(micros)
		}
		all := commits(hellos)
		b.StartTimer()
		for _, deltas := range all {
			if err := owner.Commit(b.Context(), 0, deltas); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(crowd*b.N)/b.Elapsed().Seconds(), "hellos/s")
}

// bySteps returns the first deltas of all, then the second ones, and so on.
func bySteps(hellos [][]*store.Delta) [][]*store.Delta {
	steps := make([][]*store.Delta, len(hellos[0]))
	for _, life := range hellos {
		for i, d := range life {
			steps[i] = append(steps[i], d)
		}
	}
	return steps
}

// helloDeltas returns what an engine commits of an orchestration of three
// activities: its start and four turns.
func helloDeltas(micros int64) []*store.Delta {
	number, id, execution := history.NewNumber(micros, 0), history.NewInstanceID(), history.NewExecutionID()
	old := history.Unknown
	delta := func(status history.RuntimeStatus, work store.Flag, seq uint32) *store.Delta {
		d := &store.Delta{Number: number, ID: id, OldStatus: old, Work: work, Record: &store.Record{Seq: seq, Bytes: make([]byte, 70)}}
		if status != old {
			at := number.CreatedAt()
			d.Row = &history.Instance{Number: number, ID: id, ExecutionID: execution, Name: "Hello", Status: status, CreatedAt: at, UpdatedAt: at}
			old = status
		}
		return d
	}
	return []*store.Delta{
		delta(history.Pending, store.Set, 1), delta(history.Running, store.Keep, 2), delta(history.Running, store.Keep, 3),
		delta(history.Running, store.Keep, 4), delta(history.Completed, store.Clear, 5),
	}
}

// BenchmarkFindInstance reads the rows of some of 10,000 instances, and looks
// for ids that do not exist.
func BenchmarkFindInstance(b *testing.B) {
	hub, ids := manyHellos(b)
	for name, found := range map[string]bool{"found": true, "missing": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				id := ids[i*7919%len(ids)]
				if !found {
					id += "x"
				}
				if _, ok, err := hub.FindInstance(b.Context(), id); ok != found || err != nil {
					b.Fatalf("FindInstance(%s) = %t, %v", id, ok, err)
				}
			}
		})
	}
}

// BenchmarkLastRecord reads the last turn of some of 10,000 instances.
func BenchmarkLastRecord(b *testing.B) {
	hub, ids := manyHellos(b)
	numbers := make([]history.Number, len(ids))
	for i, id := range ids {
		row, _, err := hub.FindInstance(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		numbers[i] = row.Number
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok, err := hub.LastRecord(b.Context(), numbers[i*7919%len(ids)]); !ok || err != nil {
			b.Fatalf("LastRecord = %t, %v", ok, err)
		}
	}
}

// BenchmarkListInstances reads pages of 100, with a filter, of 10,000 instances.
func BenchmarkListInstances(b *testing.B) {
	hub, _ := manyHellos(b)
	b.ReportAllocs()
	for b.Loop() {
		page, err := hub.ListInstances(b.Context(), history.Query{Statuses: []history.RuntimeStatus{history.Completed}})
		if err != nil || len(page.Rows) != 100 {
			b.Fatalf("ListInstances = %d rows, %v", len(page.Rows), err)
		}
	}
}

// manyHellos stores 10,000 instances, half of them out of memory.
func manyHellos(b *testing.B) (*Hub, []history.InstanceID) {
	hub, owner := openHub(b, b.TempDir(), Options{})
	var ids []history.InstanceID
	for i := range 100 {
		var deltas []*store.Delta
		for k := range 100 {
			life := helloDeltas(int64(1 + i*100 + k))
			ids = append(ids, life[0].ID)
			deltas = append(deltas, life...)
		}
		if err := owner.Commit(b.Context(), 0, deltas); err != nil {
			b.Fatal(err)
		}
		if i == 50 {
			if err := hub.db.pebble.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	return hub, ids
}

// BenchmarkErase erases 100,000 hellos, a thousand at a time.
func BenchmarkErase(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		_, owner := openHub(b, b.TempDir(), Options{})
		var pages [][]*store.Delta
		for page := range 100 {
			var stored, erased []*store.Delta
			for i := range 1000 {
				life := helloDeltas(int64(1 + page*1000 + i))
				stored = append(stored, life...)
				erased = append(erased, &store.Delta{Erase: life[4].Row})
			}
			if err := owner.Commit(b.Context(), 0, stored); err != nil {
				b.Fatal(err)
			}
			pages = append(pages, erased)
		}
		b.StartTimer()
		for _, deltas := range slices.Backward(pages) {
			if err := owner.Commit(b.Context(), 0, deltas); err != nil {
				b.Fatal(err)
			}
		}
	}
}
