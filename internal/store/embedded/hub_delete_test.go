package embedded

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// fill commits what script makes up to a hub of one partition.
func fill(t *testing.T, owner store.Tenure) {
	t.Helper()
	for i := range 6 {
		deltas := script(i)
		if err := owner.Commit(t.Context(), 0, deltas); err != nil {
			t.Fatalf("Commit %d: %v", i, err)
		}
	}
}

// mustMake makes a hub of one partition and takes it.
func mustMake(t *testing.T, db *DB, name string) (*Hub, store.Tenure) {
	t.Helper()
	hub, err := db.Hub(name, store.HubOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatalf("Hub(%s): %v", name, err)
	}
	owner, _ := storetest.Own(t, hub)
	return hub, owner
}

func TestDeleteHub(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	db, err := Open("store", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteHub("Orders"); !errors.Is(err, store.ErrHubNotFound) {
		t.Errorf("DeleteHub(Orders) = error %v, want %v", err, store.ErrHubNotFound)
	}
	var before string
	owners := make(map[string]store.Tenure)
	for _, name := range []string{"First", "Orders", "Last"} {
		hub, owner := mustMake(t, db, name)
		fill(t, owner)
		before, owners[name] = describe(t, hub), owner
	}
	// The highest number is the one that could be given out again.
	for _, name := range []string{"Orders", "Last"} {
		hub, _ := db.Hub(name, store.HubOptions{})
		if err := db.DeleteHub("oRDERS"); name == "Orders" && err != nil {
			t.Fatalf("DeleteHub(oRDERS): %v", err)
		}
		if name == "Last" {
			if err := db.DeleteHub("Last"); err != nil {
				t.Fatalf("DeleteHub(Last): %v", err)
			}
		}
		testDeleted(t, hub, owners[name])
	}
	for range 2 {
		if got, want := db.Hubs(), []string{"First"}; !slices.Equal(got, want) {
			t.Errorf("Hubs() = %v, want %v", got, want)
		}
		for _, name := range []string{"Orders", "Last"} {
			if _, err := db.Hub(name, store.HubOptions{}); !errors.Is(err, store.ErrHubNotFound) {
				t.Errorf("Hub(%s) = error %v, want %v", name, err, store.ErrHubNotFound)
			}
			if err := db.DeleteHub(name); !errors.Is(err, store.ErrHubNotFound) {
				t.Errorf("DeleteHub(%s) again = error %v, want %v", name, err, store.ErrHubNotFound)
			}
		}
		first, err := db.Hub("First", store.HubOptions{})
		if err != nil {
			t.Fatalf("Hub(First): %v", err)
		}
		if got := describe(t, first); got != before {
			t.Errorf("hub First holds\n%s\nwant\n%s", got, before)
		}
		if err := db.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if db, err = Open("store", Options{FS: disk}); err != nil {
			t.Fatal(err)
		}
	}
	again, owner := mustMake(t, db, "Last")
	if epoch := again.epochs[0]; again.id != 4 || epoch != 1 {
		t.Errorf("hub Last, made again, has number %d and epoch %d, want 4 and 1", again.id, epoch)
	}
	if counts, err := again.CountInstances(t.Context(), history.Query{}); counts.Total() != 0 || err != nil {
		t.Errorf("CountInstances of hub Last, made again = %v, error %v, want none", counts, err)
	}
	fill(t, owner)
	if got := describe(t, again); got != before {
		t.Errorf("hub Last, made again, holds\n%s\nwant\n%s", got, before)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// testDeleted: an engine that still has the hub is told that it broke.
func testDeleted(t *testing.T, hub *Hub, owner store.Tenure) {
	t.Helper()
	ctx := t.Context()
	_, acquire := owner.Acquire(ctx, 0)
	_, join := hub.Join(ctx, store.Node{})
	_, _, find := hub.FindInstance(ctx, "i4")
	_, list := hub.ListInstances(ctx, history.Query{})
	_, count := hub.CountInstances(ctx, history.Query{})
	_, last := hub.LastNumber(ctx)
	_, timers := hub.Timers(ctx, 0, store.Timer{}, time.Now(), 1)
	var records error
	for _, err := range hub.Records(ctx, history.NewNumber(5, 0)) {
		records = err
	}
	for call, err := range map[string]error{
		"Acquire": acquire, "Join": join, "FindInstance": find, "ListInstances": list, "CountInstances": count, "LastNumber": last, "Timers": timers,
		"Records": records, "Commit": owner.Commit(ctx, 0, []*store.Delta{{}}),
	} {
		if !errors.Is(err, store.ErrBroken) {
			t.Errorf("%s of deleted hub %s = error %v, want an %v", call, hub.Name(), err, store.ErrBroken)
		}
	}
}

// Whenever the power fails, the hub is there whole, or it is gone; once
// DeleteHub has returned, it is gone. Other hubs stay as they are.
func TestDeleteHubCrash(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &crasher{disk: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(seed, 0))}
	db, err := Open("store", Options{FS: c.fs(), FillLogs: true, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	db.reclaimer.delay = 0
	var whole string
	for _, name := range []string{"kept", "gone"} {
		hub, owner := mustMake(t, db, name)
		fill(t, owner)
		whole = describe(t, hub)
	}
	c.mu.Lock()
	c.crashes = nil
	c.mu.Unlock()
	if err := db.DeleteHub("gone"); err != nil {
		t.Fatalf("DeleteHub(gone): %v", err)
	}
	c.ack(0)
	db.reclaimer.add(2, span{whole: true})
	db.reclaimer.worker.Wait()
	_, owner := mustMake(t, db, "gone")
	fill(t, owner)
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for i, at := range c.crashes {
		if err := afterDelete(t, at, whole); err != nil {
			t.Errorf("crash %d of %d, deleted %t: %v", i, len(c.crashes), at.acked > 0, err)
		}
	}
}

// afterDelete opens what a crash left.
func afterDelete(t *testing.T, at crash, whole string) error {
	db, err := Open("store", Options{FS: at.disk, FillLogs: true, CacheBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer db.Close()
	kept, err := db.Hub("kept", store.HubOptions{})
	if err != nil {
		return err
	}
	if got := describe(t, kept); got != whole {
		return fmt.Errorf("hub kept holds\n%s\nwant\n%s", got, whole)
	}
	gone, err := db.Hub("gone", store.HubOptions{})
	switch {
	case errors.Is(err, store.ErrHubNotFound):
		return nil
	case err != nil:
		return err
	case at.acked > 0 && gone.id == 2:
		return errors.New("hub gone is there again")
	case at.acked > 0: // the one that was made later
		return nil
	}
	if got := describe(t, gone); got != whole {
		return fmt.Errorf("hub gone holds\n%s\nwant\n%s", got, whole)
	}
	return nil
}
