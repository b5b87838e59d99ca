package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/worker"
)

// powerInstances is how many instances the run has whose power is cut: two of
// each kind.
var powerInstances = 2 * len(Kinds)

// TestPowerCutAtEverySync runs some orchestrations of every kind on a disk in memory
// and takes, at every sync, a picture of what the disk would hold if the
// power failed there: once without anything that was not synced, once with a random
// half of it. From each picture everything acknowledged so far must complete.
func TestPowerCutAtEverySync(t *testing.T) {
	disk := &cuttingDisk{FS: vfs.NewCrashableMem()}
	powered(t, disk, func(c *client.Client) {
		for i := range powerInstances {
			kind := Kinds[i%len(Kinds)]
			id := fmt.Sprintf("%s-%d", kind.Name, i)
			if _, err := c.Start(t.Context(), kind.Name, Input(kind.Name, i), client.StartOptions{ID: client.InstanceID(id)}); err != nil {
				t.Fatalf("Start(%s) = %v", id, err)
			}
			if kind.Name == "Event" {
				if err := c.Raise(t.Context(), client.InstanceID(id), "go", i); err != nil {
					t.Fatalf("Raise(%s) = %v", id, err)
				}
			}
			disk.acknowledge(i)
		}
		for i := range powerInstances {
			waitFor(t, c, i)
		}
	})
	cuts := disk.cuts
	if len(cuts) < 2*powerInstances {
		t.Fatalf("the run had %d cuts, fewer than it has commits", len(cuts))
	}
	t.Logf("%d cuts", len(cuts))
	for n, cut := range cuts {
		powered(t, cut.disk, func(c *client.Client) {
			for _, i := range cut.acknowledged {
				waitFor(t, c, i)
			}
		})
		if t.Failed() {
			t.Fatalf("after cut %d, %d instances acknowledged", n, len(cut.acknowledged))
		}
	}
}

// powered opens the hub on disk, runs do against it, lets the hub finish, and checks what
// it leaves.
func powered(t *testing.T, disk vfs.FS, do func(*client.Client)) {
	db, err := embedded.Open("hub", embedded.Options{FS: disk, FillLogs: true, FreeBytes: func() (uint64, error) { return 1 << 40, nil }})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	hub, err := db.Hub("Hub", store.HubOptions{Partitions: 4, Create: true})
	if err != nil {
		t.Fatalf("open the hub: %v", err)
	}
	run, err := worker.New(App(), worker.Options{})
	if err != nil {
		t.Fatalf("worker: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e := engine.New(hub, run, engine.Options{})
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	})
	do(client.Local(e))
	finishAll(t, e, hub)
	cancel()
	running.Wait()
	run.Close()
	checkHub(t, hub)
	if err := db.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
}

// finishAll waits for every instance of the hub; one whose event was not
// acknowledged gets it once more.
func finishAll(t *testing.T, e *engine.Engine, store store.Store) {
	page, err := store.ListInstances(t.Context(), history.Query{Limit: 10_000})
	if err != nil {
		t.Fatalf("list instances: %v", err)
	}
	for _, row := range page.Rows {
		if row.Name == "Event" && !row.Status.Terminal() {
			_ = e.Raise(t.Context(), row.ID, hub.RaiseRequest{Name: "go", Payload: []byte("0")}) // it may end first
		}
		if _, err := e.Wait(t.Context(), row.ID); err != nil {
			t.Fatalf("wait for %s: %v", row.ID, err)
		}
	}
}

// waitFor waits for instance i and checks its output.
func waitFor(t *testing.T, c *client.Client, i int) {
	kind := Kinds[i%len(Kinds)]
	id := fmt.Sprintf("%s-%d", kind.Name, i)
	status, err := c.Wait(t.Context(), client.InstanceID(id))
	if err != nil {
		t.Errorf("Wait(%s) = %v", id, err)
		return
	}
	if want := kind.Output(i); status.RuntimeStatus != history.Completed || string(status.Output) != want {
		t.Errorf("%s ended %s with %s, want Completed with %s", id, status.RuntimeStatus, status.Output, want)
	}
}

// cuttingDisk takes a picture of the disk before every sync.
type cuttingDisk struct {
	vfs.FS // a *vfs.MemFS that can be cloned

	mu           sync.Mutex // guards the rest
	acknowledged []int
	cuts         []cut
}

// cut is the disk after a power failure.
type cut struct {
	disk         vfs.FS
	acknowledged []int // instances that clients were told are durable
}

func (d *cuttingDisk) acknowledge(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acknowledged = append(d.acknowledged, i)
}

func (d *cuttingDisk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	mem := d.FS.(*vfs.MemFS)
	acknowledged := d.acknowledged[:len(d.acknowledged):len(d.acknowledged)]
	half := vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, uint64(len(d.cuts))))}
	d.cuts = append(d.cuts,
		cut{mem.CrashClone(vfs.CrashCloneCfg{}), acknowledged},
		cut{mem.CrashClone(half), acknowledged})
}

func (d *cuttingDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.watch(d.FS.Create(name, category))
}

func (d *cuttingDisk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.watch(d.FS.ReuseForWrite(oldname, newname, category))
}

func (d *cuttingDisk) OpenDir(name string) (vfs.File, error) { return d.watch(d.FS.OpenDir(name)) }

func (d *cuttingDisk) watch(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return watchedFile{f, d}, nil
}

type watchedFile struct {
	vfs.File
	disk *cuttingDisk
}

func (f watchedFile) Sync() error     { f.disk.cut(); return f.File.Sync() }
func (f watchedFile) SyncData() error { f.disk.cut(); return f.File.SyncData() }
func (f watchedFile) SyncTo(length int64) (bool, error) {
	f.disk.cut()
	return f.File.SyncTo(length)
}
