package embedded

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// gate makes the syncs of a disk wait while it is shut.
type gate struct {
	mu    sync.Mutex    // guards all below
	open  chan struct{} // closed when the gate opens; nil: it is open
	syncs int           // that came
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
	g.open = nil
}

func (g *gate) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
		g.mu.Lock()
		g.syncs++
		open := g.open
		g.mu.Unlock()
		if open != nil {
			<-open
		}
	}
	return nil
}

func (g *gate) String() string { return "gate" }

// A read does not show what a crash could still take back, and does not wait for it.
func TestReadDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		hub, owner := openHub(t, "store", Options{FS: errorfs.Wrap(vfs.NewMem(), g), CacheBytes: 1 << 20})
		commit := func(i int) {
			deltas := script(i)
			if err := owner.Commit(t.Context(), 0, deltas); err != nil {
				t.Errorf("Commit %d: %v", i, err)
			}
		}
		for i := range 5 {
			before, row := describe(t, hub), script(i)[0].Row
			g.shut()
			var group sync.WaitGroup
			group.Go(func() { commit(i) })
			synctest.Wait()
			if _, closer, err := hub.db.pebble.Get(hub.rowKey(row.Number)); err != nil {
				t.Errorf("row %d: %v, want it to be there, not synced", row.Number, err)
			} else {
				closer.Close()
			}
			if during := describe(t, hub); during != before {
				t.Errorf("before the sync the store shows\n%s\nwant what was there before\n%s", during, before)
			}
			it, err := hub.iterator(newKey(hub.id, spaceRows).prefix()) // of before, though it is used later
			if err != nil {
				t.Fatalf("iterator: %v", err)
			}
			g.release()
			group.Wait()
			if after := describe(t, hub); after == before || !strings.Contains(after, fmt.Sprint(row.Number, " ", row.ID)) {
				t.Errorf("after the sync the store shows\n%s", after)
			}
			for it.First(); it.Valid(); it.Next() {
				if k := fixed(it.Key()); k.number() == row.Number {
					t.Errorf("an iterator of before the sync shows row %d", row.Number)
				}
			}
			it.Close()
		}
	})
}

// A read shows all commits that were acknowledged before it, while others follow.
func TestReadShowsAcknowledged(t *testing.T) {
	t.Parallel()
	hub, owner := openHub(t, "store", Options{FS: vfs.NewMem(), CacheBytes: 1 << 20})
	const commits = 2000
	var acked atomic.Int32
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for first := acked.Load(); first < commits; first = acked.Load() {
				row, _, err := hub.FindInstance(t.Context(), "i")
				if err != nil || row.Events < first {
					t.Errorf("FindInstance(i) = events %d, error %v, want what commit %d stored", row.Events, err, first)
					return
				}
				rec, _, err := hub.LastRecord(t.Context(), 1)
				if err != nil || int32(rec.Seq) < row.Events {
					t.Errorf("LastRecord(i) = %d, error %v, want at least %d", rec.Seq, err, row.Events)
					return
				}
			}
		})
	}
	old := history.Unknown
	for i := range int32(commits) {
		row := &history.Instance{Number: 1, ID: "i", Status: history.Running, Events: i + 1}
		d := &store.Delta{Number: 1, ID: "i", Row: row, OldStatus: old, Record: &store.Record{Seq: uint32(i + 1)}}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{d}); err != nil {
			t.Fatalf("Commit %d: %v", i, err)
		}
		acked.Store(i + 1)
		old = history.Running
	}
	readers.Wait()
}

// Partitions that are acquired together become durable by one sync, and are not
// granted before it.
func TestAcquireSyncsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		db, err := Open("store", Options{FS: errorfs.Wrap(vfs.NewMem(), g), CacheBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		hub, err := db.Hub("h", store.HubOptions{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		g.shut()
		g.syncs = 0
		var acquired atomic.Int32
		var group sync.WaitGroup
		group.Go(func() {
			_, grants := storetest.Own(t, hub)
			acquired.Add(int32(len(grants)))
		})
		synctest.Wait()
		if n := acquired.Load(); n != 0 {
			t.Errorf("%d partitions were acquired before a sync", n)
		}
		g.release()
		group.Wait()
		if n := int(acquired.Load()); n != hub.Partitions() || g.syncs != 1 {
			t.Errorf("%d syncs for %d of %d partitions, want 1 for all", g.syncs, n, hub.Partitions())
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}
