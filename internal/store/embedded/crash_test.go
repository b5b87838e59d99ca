package embedded

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/storetest"
)

// crash is what a crash at some moment leaves.
type crash struct {
	disk  *vfs.MemFS
	acked int // commits acknowledged before
	epoch store.Epoch
}

// crasher takes a crash at each operation that changes the disk or makes a
// change durable: once without what was not synced, and three times with some of it.
type crasher struct {
	disk *vfs.MemFS

	mu      sync.Mutex // guards all below
	rng     *rand.Rand
	acked   int
	epoch   store.Epoch
	crashes []crash
}

func (c *crasher) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpCreate, errorfs.OpRename, errorfs.OpRemove, errorfs.OpReuseForWrite, errorfs.OpMkdirAll:
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, percent := range []int{0, 50, 50, 50} {
			disk := c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})
			c.crashes = append(c.crashes, crash{disk, c.acked, c.epoch})
		}
	}
	return nil
}

func (c *crasher) String() string { return "crasher" }

// fs returns the disk with the crashes taken.
func (c *crasher) fs() vfs.FS { return errorfs.Wrap(renaming{c.disk}, c) }

// renaming reuses a file in two steps: in one, a MemFS takes the same lock for
// reading twice, and waits for ever if it is cloned in between.
type renaming struct{ *vfs.MemFS }

func (r renaming) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := r.Rename(from, to); err != nil {
		return nil, err
	}
	return r.OpenReadWrite(to, category)
}

func (c *crasher) ack(epoch store.Epoch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.acked++; epoch != 0 {
		c.epoch, c.acked = epoch, 0
	}
}

// What is acknowledged survives every crash, and nothing survives in part.
func TestCrash(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &crasher{disk: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(seed, 0))}
	hub, owner := openHub(t, "store", Options{FS: c.fs(), FillLogs: true, CacheBytes: 1 << 20})
	c.ack(1) // its first epoch

	plain := memory.New(1)
	ownerOfPlain, _ := storetest.Own(t, plain)
	want := []string{describe(t, plain)} // after so many commits
	for i := range 16 {
		deltas := script(i)
		if err := ownerOfPlain.Commit(t.Context(), 0, deltas); err != nil {
			t.Fatalf("Commit %d to memory: %v", i, err)
		}
		want = append(want, describe(t, plain))
		if err := owner.Commit(t.Context(), 0, deltas); err != nil {
			t.Fatalf("Commit %d: %v", i, err)
		}
		c.ack(0)
		if i%5 == 4 {
			if err := hub.db.pebble.Flush(); err != nil {
				t.Fatalf("Flush: %v", err)
			}
		}
	}
	c.mu.Lock()
	crashes := c.crashes
	c.mu.Unlock()
	for i, at := range crashes {
		if err := recovered(t, at, want); err != nil {
			t.Errorf("crash %d of %d, %d commits acknowledged: %v", i, len(crashes), at.acked, err)
		}
	}
}

// script returns the i-th commit: an instance starts, the one before it runs
// and the one before that ends, with messages, timers and big records.
func script(i int) []*store.Delta {
	instance := func(i int, old, status history.RuntimeStatus) *store.Delta {
		number := history.NewNumber(int64(i+1), 0)
		id := history.InstanceID(fmt.Sprint("i", i))
		return &store.Delta{Number: number, ID: id, OldStatus: old, Row: &history.Instance{Number: number, ID: id, Status: status}}
	}
	started := instance(i, history.Unknown, history.Pending)
	started.Record, started.Work = &store.Record{Seq: 1, Bytes: make([]byte, i*3000)}, store.Set
	started.Sent = []store.Message{{MessageKey: store.MessageKey{Seq: uint64(i)}, Bytes: []byte("m")}}
	started.SetTimers = []store.Timer{{Due: time.UnixMicro(int64(i)), Number: started.Number}}
	deltas := []*store.Delta{started}
	if i > 0 {
		runs := instance(i-1, history.Pending, history.Running)
		runs.Record, runs.Work = &store.Record{Seq: 2, Bytes: []byte("turn")}, store.Clear
		runs.Consumed = []store.MessageKey{{Seq: uint64(i - 1)}}
		runs.ClearTimers = []store.Timer{{Due: time.UnixMicro(int64(i - 1)), Number: runs.Number}}
		deltas = append(deltas, runs)
	}
	if i > 1 {
		deltas = append(deltas, &store.Delta{Erase: instance(i-2, history.Pending, history.Running).Row})
	}
	return deltas
}

// recovered opens what a crash left and compares it with what it may be.
func recovered(t *testing.T, at crash, want []string) error {
	db, err := Open("store", Options{FS: at.disk, FillLogs: true, CacheBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer db.Close()
	hub, err := db.Hub("h", store.HubOptions{Create: at.epoch == 0, Partitions: 1})
	if err != nil {
		return err
	}
	if _, grants := storetest.Own(t, hub); grants[0].Epoch <= at.epoch {
		return fmt.Errorf("Acquire(0) = epoch %d, want more than %d", grants[0].Epoch, at.epoch)
	}
	got := describe(t, hub)
	for i := at.acked; i < min(at.acked+2, len(want)); i++ { // one more may have been under way
		if got == want[i] {
			return nil
		}
	}
	return fmt.Errorf("the store holds\n%s\nwant\n%s", got, want[at.acked])
}

// describe writes down all that a store of one partition shows.
func describe(t *testing.T, kept store.Store) string {
	t.Helper()
	var b strings.Builder
	page, err := kept.ListInstances(t.Context(), history.Query{})
	for _, row := range page.Rows {
		found, ok, err := kept.FindInstance(t.Context(), row.ID)
		fmt.Fprintln(&b, row.Number, row.ID, row.Status, found.Status, ok, err)
		for rec, err := range kept.Records(t.Context(), row.Number) {
			fmt.Fprintln(&b, "record", rec.Seq, len(rec.Bytes), err)
		}
	}
	for _, status := range history.Statuses() {
		page, err := kept.ListInstances(t.Context(), history.Query{Statuses: []history.RuntimeStatus{status}})
		fmt.Fprintln(&b, status, len(page.Rows), err)
	}
	for ref, err := range kept.Working(t.Context(), 0) {
		fmt.Fprintln(&b, "work", ref.Number, ref.ID, err)
	}
	for m, err := range kept.Inbox(t.Context(), 0) {
		fmt.Fprintln(&b, "message", m.Seq, err)
	}
	timers, timersErr := kept.Timers(t.Context(), 0, store.Timer{}, time.UnixMicro(1000), 1000)
	for _, timer := range timers {
		fmt.Fprintln(&b, "timer", timer.Due.UnixMicro(), timer.Number)
	}
	last, lastErr := kept.LastNumber(t.Context())
	fmt.Fprintln(&b, "last", last, err, timersErr, lastErr)
	return b.String()
}
