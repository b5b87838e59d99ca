package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// Large payloads go to the store few at a time, and leave room between them.

// big is a payload of so many KiB.
func big(kib int) string { return strings.Repeat("x", kib<<10) }

// addBig registers what brings large payloads to the store in every way: as inputs,
// results, outputs, events and messages.
func addBig(w *world, app *perdure.App) {
	perdure.AddActivity(app, "Same", same)
	perdure.AddOrchestrator(app, "Small", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
		return perdure.CallActivity(ctx, same, in).Await()
	})
	perdure.AddOrchestrator(app, "Child", func(_ *perdure.OrchestrationContext, in string) (string, error) { return in, nil })
	perdure.AddOrchestrator(app, "Big", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
		out, err := perdure.CallActivity(ctx, same, in).Await()
		if err != nil {
			return "", err
		}
		if out, err = perdure.OrchestratorRef[string, string]("Child").Call(ctx, out).Await(); err != nil {
			return "", err
		}
		event, err := perdure.WaitForExternalEvent[string](ctx, "go").Await()
		return out + event, err
	})
}

func same(_ context.Context, in string) (string, error) { return in, nil }

// disk is a store that writes a hundred MiB in a second and remembers the most bytes
// of a commit.
type disk struct {
	store.Store
	mu   sync.Mutex // guards most
	most int
}

func (d *disk) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	return storetest.JoinWith(ctx, d.Store, self, d.commit)
}

func (d *disk) commit(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
	bytes := 0
	for _, delta := range deltas {
		if delta.Record != nil {
			bytes += len(delta.Record.Bytes)
		}
		for _, m := range delta.Sent {
			bytes += len(m.Bytes)
		}
	}
	d.mu.Lock()
	d.most = max(d.most, bytes)
	d.mu.Unlock()
	time.Sleep(100*time.Microsecond + time.Duration(bytes)*10)
	return t.Commit(ctx, lane, deltas)
}

func TestLargePayloadsGoToTheStoreFewAtATime(t *testing.T) {
	contract(t, addBig, func(w *world) {
		w.stop()
		d := &disk{Store: w.inner}
		w.inner = d
		w.start()
		var calls sync.WaitGroup
		for i := range 10 {
			calls.Go(func() {
				id := w.mustStart("Big", big(300), client.StartOptions{ID: history.InstanceID(fmt.Sprint("b", i))})
				w.raise(id, "go", big(300))
				if got, want := len(w.completed(id)), 600<<10; got != want+2 {
					w.Errorf("output of %s has %d bytes, want %d", id, got, want+2)
				}
			})
		}
		calls.Wait()
		// A turn of Big stores its payload three times; four starts go side by side.
		if d.most > 4*300<<10+64<<10 {
			w.Errorf("a commit has %d bytes", d.most)
		}
	})
}

func TestLargePayloadsLeaveRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, register: addBig, inner: &disk{Store: openMemory(t)}}
		w.start()
		defer w.stop()
		small := func() time.Duration {
			began := time.Now()
			for range 200 {
				w.completed(w.mustStart("Small", "x", client.StartOptions{}))
			}
			return time.Since(began)
		}
		alone := small()
		var noise sync.WaitGroup
		ctx, quiet := context.WithCancel(context.Background())
		for range 4 {
			noise.Go(func() {
				for ctx.Err() == nil {
					w.completed(w.mustStart("Small", big(1024), client.StartOptions{}))
				}
			})
		}
		beside := small()
		quiet()
		noise.Wait()
		if beside > 4*alone {
			t.Errorf("200 small ones take %v beside large ones, %v alone", beside, alone)
		}
	})
}

// What waits for its turn when the process ends is stored by it, or was refused.
func TestLargePayloadsThroughAnEndInGoodOrder(t *testing.T) {
	contract(t, addBig, func(w *world) {
		w.stop()
		w.inner = &disk{Store: w.inner}
		w.start()
		var ids []string
		for i := range 8 {
			ids = append(ids, w.mustStart("Small", big(200), client.StartOptions{ID: history.InstanceID(fmt.Sprint("b", i))}))
		}
		var calls sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			calls.Go(func() {
				_, errs[i] = w.Start(context.Background(), "Small", big(200), client.StartOptions{ID: history.InstanceID(fmt.Sprint("c", i))})
			})
		}
		time.Sleep(time.Millisecond)
		w.end()
		calls.Wait()
		w.worker.Close()
		w.start()
		for i, err := range errs {
			id := fmt.Sprint("c", i)
			switch _, found := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); {
			case err == nil:
				ids = append(ids, id)
			case !errors.Is(err, client.ErrUnavailable):
				w.Errorf("Start(%s) while the process ends = %v, want nil or ErrUnavailable", id, err)
			case found == nil:
				ids = append(ids, id)
			}
		}
		for _, id := range ids {
			w.completed(id)
		}
	})
}

// An operation on an instance of which a large turn waits does not wait for what it
// keeps waiting itself.
func TestLargePayloadsForOneInstanceFromAllSides(t *testing.T) {
	contract(t, addBig, func(w *world) {
		w.stop()
		w.inner = &disk{Store: w.inner}
		w.start()
		ctx := context.Background()
		id := w.mustStart("Big", big(200), client.StartOptions{ID: "one"})
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() { w.raise(id, "other", big(200)) })
			calls.Go(func() { w.mustStart("Child", big(200), client.StartOptions{}) })
		}
		calls.Wait()
		w.raise(id, "go", big(200))
		w.completed(id)
		if _, err := w.Start(ctx, "Big", big(200), client.StartOptions{ID: history.InstanceID(id)}); err != nil {
			w.Fatalf("Start in place of what has ended = %v", err)
		}
		if err := w.Terminate(ctx, history.InstanceID(id), client.TerminateOptions{Reason: "enough", Wait: true}); err != nil {
			w.Errorf("Terminate = %v", err)
		}
	})
}

// TestFaultsOfLargePayloads fails each commit while large payloads wait.
func TestFaultsOfLargePayloads(t *testing.T) {
	testFaults(t, faults{register: addBig, play: playBig, check: func(*world) {}})
}

func playBig(w *world) {
	errs := make([]error, 2)
	var calls sync.WaitGroup
	for i := range errs {
		calls.Go(func() {
			_, errs[i] = w.Start(context.Background(), "Big", big(70), client.StartOptions{ID: history.InstanceID(fmt.Sprint("b", i))})
		})
	}
	calls.Wait()
	for i, err := range errs {
		id := fmt.Sprint("b", i)
		if err != nil {
			if _, found := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); found != nil {
				continue // nothing of it was stored
			}
		}
		for { // an event whose commit failed may be there twice, which does no harm
			if err := w.Raise(context.Background(), history.InstanceID(id), "go", big(70)); err == nil || errors.Is(err, client.ErrInvalidState) {
				break
			}
			time.Sleep(time.Second)
		}
		if got, want := len(w.completed(id)), 140<<10+2; got != want {
			w.Errorf("output of %s has %d bytes, want %d", id, got, want)
		}
	}
}
