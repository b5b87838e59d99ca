// Package growth checks that memory does not grow with what a hub has done, nor
// much with what waits in it.
package growth

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/storetest"
	"github.com/perdure/perdure/internal/worker"
)

const (
	instances = 100_000
	inFlight  = 200
)

func greet(_ context.Context, name string) (string, error) { return "Hello " + name + "!", nil }

func app() *perdure.App {
	app := perdure.New()
	perdure.AddActivity(app, "Greet", greet)
	perdure.AddOrchestrator(app, "Hello", func(ctx *perdure.OrchestrationContext, name string) (string, error) {
		return perdure.CallActivity(ctx, greet, name).Await()
	})
	perdure.AddOrchestrator(app, "Waiting", func(ctx *perdure.OrchestrationContext, _ any) (string, error) {
		return perdure.WaitForExternalEvent[string](ctx, "go").Await()
	})
	return app
}

// run runs an engine on store until the test ends and returns a client of it.
func run(t *testing.T, store store.Store, app *perdure.App) *client.Client {
	executor, err := worker.New(app, worker.Options{})
	if err != nil {
		t.Fatalf("worker: %v", err)
	}
	e := engine.New(store, executor, engine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait(); executor.Close() })
	return client.Local(e)
}

// each calls do for n numbers, inFlight at a time.
func each(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	next := make(chan int)
	var calls sync.WaitGroup
	for range inFlight {
		calls.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					t.Errorf("instance %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	calls.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// inUse returns the bytes of heap and stacks that are in use.
func inUse() int {
	runtime.GC()
	runtime.GC() // the first one empties the pools into their victims
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func TestMemoryIsFlatOver100000Instances(t *testing.T) {
	c := run(t, &forgetful{Store: memory.New(64)}, app())
	hello := func(int) error {
		id, err := c.Start(t.Context(), "Hello", "you", client.StartOptions{})
		if err != nil {
			return err
		}
		_, err = c.Wait(t.Context(), id)
		return err
	}
	each(t, instances/10, hello)
	early := inUse()
	each(t, instances-instances/10, hello)
	late := inUse()
	t.Logf("in use after %d instances: %d bytes; after %d: %d", instances/10, early, instances, late)
	if grown := late - early; grown > 4<<20 {
		t.Errorf("memory grew by %d bytes over %d instances", grown, instances-instances/10)
	}
}

func TestWaitingInstanceCostsUnder2KB(t *testing.T) {
	db, err := embedded.Open(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	hub, err := db.Hub("Hub", store.HubOptions{Create: true})
	if err != nil {
		t.Fatalf("open the hub: %v", err)
	}
	before := inUse()
	c := run(t, hub, app())
	each(t, instances, func(i int) error {
		_, err := c.Start(t.Context(), "Waiting", nil, client.StartOptions{ID: client.InstanceID(fmt.Sprintf("waiting-%d", i))})
		return err
	})
	// All are idle once the last of them are seen to run.
	each(t, instances, func(i int) error {
		for {
			s, err := c.Status(t.Context(), client.InstanceID(fmt.Sprintf("waiting-%d", i)), client.StatusOptions{OmitInput: true, OmitOutput: true})
			if err != nil || s.RuntimeStatus == history.Running {
				return err
			}
			runtime.Gosched()
		}
	})
	each := (inUse() - before) / instances
	t.Logf("%d instances wait, %d bytes each", instances, each)
	if each >= 2<<10 {
		t.Errorf("a waiting instance costs %d bytes, want under 2048", each)
	}
}

// forgetful is a store that erases what has ended, some time later, so that
// only the engine's own memory is left to measure.
type forgetful struct {
	store.Store
	mu    sync.Mutex // guards ended
	ended []*store.Delta
}

func (s *forgetful) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	return storetest.JoinWith(ctx, s.Store, self, s.commit)
}

func (s *forgetful) commit(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
	if err := t.Commit(ctx, lane, deltas); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range deltas {
		if d.Row != nil && d.Row.Status.Terminal() {
			row := *d.Row // else the engine's own would stay in memory with it
			s.ended = append(s.ended, &store.Delta{Partition: d.Partition, Erase: &row})
		}
	}
	if len(s.ended) < 5000 {
		return nil
	}
	erase := s.ended[:4000:4000]
	s.ended = append([]*store.Delta(nil), s.ended[4000:]...)
	return t.Commit(ctx, lane, erase)
}
