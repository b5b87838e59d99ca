package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// What happens to a hub that is given more work than it can do. The limits are
// small, so that little work is too much.

// limit begins a new process that has room for so many bytes of work at hand.
func (w *world) limit(bytes int) {
	w.stop()
	w.options.MaxBacklogBytes = bytes
	w.start()
}

var blocked = perdure.ActivityRef[any, string]("Blocked")

// addBlocked registers an orchestrator that calls an activity that takes an hour.
func addBlocked(w *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Block", func(ctx *perdure.OrchestrationContext, _ any) (string, error) {
		return blocked.Call(ctx, nil).Await()
	})
	perdure.AddOrchestrator(app, "Echo", func(_ *perdure.OrchestrationContext, in string) (string, error) { return in, nil })
	perdure.AddActivity(app, "Blocked", func(ctx context.Context, _ any) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		<-ctx.Done()
		w.mark("blocked")
		return "done", nil
	})
}

func TestOverloadedHubRefusesStartsAndLosesNoneOfTheOthers(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		w.limit(16 << 10)
		var accepted, refused []string
		for i := range 100 {
			id := fmt.Sprint("s", i)
			_, err := w.Start(context.Background(), "Block", strings.Repeat("x", 100), client.StartOptions{ID: history.InstanceID(id)})
			switch {
			case err == nil && len(refused) == 0:
				accepted = append(accepted, id)
			case errors.Is(err, client.ErrResourceExhausted):
				refused = append(refused, id)
			default:
				w.Fatalf("Start(%s) after %d refused = %v, want ErrResourceExhausted", id, len(refused), err)
			}
		}
		if n := len(accepted); n < 8 || n > 16 { // each has an activity without result at hand, of 1 KiB
			w.Errorf("%d starts are accepted at a limit of 16 KiB, want 8 to 16", n)
		}
		for _, id := range refused {
			if _, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
				w.Fatalf("Status of %s, which was refused: error = %v, want ErrNotFound", id, err)
			}
		}
		for _, id := range accepted {
			if got := w.completed(id); got != `"done"` {
				w.Errorf("output of %s, which was accepted, = %s", id, got)
			}
		}
		if got := w.marked("blocked"); got != int64(len(accepted)) {
			w.Errorf("activities ran %d times, want %d: one for each start accepted", got, len(accepted))
		}
		w.mustStart("Echo", "x", client.StartOptions{ID: history.InstanceID(refused[0])})
		if got := w.completed(refused[0]); got != `"x"` {
			w.Errorf("output of what was refused, started again when there was room, = %s", got)
		}
	})
}

func TestOverloadedHubKeepsWhatItAcceptedThroughACrash(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		w.limit(16 << 10)
		var accepted []string
		for i := 0; ; i++ {
			id, err := w.Start(context.Background(), "Block", nil, client.StartOptions{ID: history.InstanceID(fmt.Sprint("s", i))})
			if errors.Is(err, client.ErrResourceExhausted) {
				break
			}
			accepted = append(accepted, string(id))
		}
		w.crash()
		w.settle()
		if _, err := w.Start(context.Background(), "Echo", "x", client.StartOptions{}); !errors.Is(err, client.ErrResourceExhausted) {
			w.Errorf("Start after the crash = %v, want ErrResourceExhausted: the work is at hand again", err)
		}
		for _, id := range accepted {
			w.completed(id)
		}
		w.run("Echo", "x")
	})
}

func TestOverloadedHubLetsOperatorsAndItsOwnMessagesThrough(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addBlocked(w, app)
		perdure.AddOrchestrator(app, "Family", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			if _, err := ctx.CreateTimer(time.Minute).Await(); err != nil {
				return 0, err
			}
			children := make([]*perdure.Task[string], n)
			for i := range children {
				children[i] = perdure.OrchestratorRef[string, string]("Echo").Call(ctx, "x")
			}
			for _, child := range children {
				if _, err := child.Await(); err != nil {
					return 0, err
				}
			}
			return n, nil
		})
	}, func(w *world) {
		w.limit(1)
		ctx := context.Background()
		family := w.mustStart("Family", 50, client.StartOptions{})
		w.settle()
		w.mustStart("Echo", "x", client.StartOptions{ID: "ended"})
		w.completed("ended")
		stuck := w.mustStart("Block", nil, client.StartOptions{})
		w.settle()
		for what, err := range map[string]error{
			"start":   second(w.Start(ctx, "Echo", "x", client.StartOptions{})),
			"raise":   w.Raise(ctx, history.InstanceID(stuck), "go", nil),
			"restart": second(w.Restart(ctx, "ended", client.RestartOptions{SameID: true})),
		} {
			if !errors.Is(err, client.ErrResourceExhausted) {
				w.Errorf("%s = %v, want ErrResourceExhausted", what, err)
			}
		}
		for what, err := range map[string]error{
			"suspend": w.Suspend(ctx, history.InstanceID(stuck), "for a while"),
			"resume":  w.Resume(ctx, history.InstanceID(stuck), ""),
			"purge":   second(w.Purge(ctx, "ended", client.PurgeOptions{})),
		} {
			if err != nil {
				w.Errorf("%s = %v, want it done", what, err)
			}
		}
		if got := w.completed(family); got != "50" { // its timer and its children, while nobody else comes in
			w.Errorf("output of the instance with children = %s, want 50", got)
		}
		if err := w.Terminate(ctx, history.InstanceID(stuck), client.TerminateOptions{Wait: true}); err != nil {
			w.Errorf("terminate = %v, want it done", err)
		}
		w.run("Echo", "x")
	})
}

func second[T any](_ T, err error) error { return err }

// An instance that takes nothing in must not shut the hub for others.
func TestOverloadedInboxRefusesEventsOfItsInstanceOnly(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addBlocked(w, app)
		perdure.AddOrchestrator(app, "Sum", func(ctx *perdure.OrchestrationContext, _ any) (int, error) {
			sum := 0
			for {
				n, err := perdure.WaitForExternalEvent[int](ctx, "n").Await()
				if err != nil || n == 0 {
					return sum, err
				}
				sum += n
			}
		})
	}, func(w *world) {
		w.limit(64 << 10)
		later := w.mustStart("Sum", nil, client.StartOptions{StartAt: time.Now().Add(24 * time.Hour)})
		sum := 0
		for {
			err := w.Raise(context.Background(), history.InstanceID(later), "n", sum+1)
			if errors.Is(err, client.ErrResourceExhausted) && strings.Contains(err.Error(), later) {
				break
			}
			if err != nil || sum > 1000 {
				w.Fatalf("raise %d = %v, want ErrResourceExhausted that names the instance at last", sum, err)
			}
			sum++
		}
		if sum < 20 || sum > 32 { // each of more than 512 bytes, in a quarter of 64 KiB
			w.Errorf("%d events are accepted, want 20 to 32", sum)
		}
		w.run("Echo", "others")
		time.Sleep(25 * time.Hour)
		w.raise(later, "n", 0)
		if got, want := w.completed(later), fmt.Sprint(sum*(sum+1)/2); got != want {
			w.Errorf("sum of the events accepted = %s, want %s", got, want)
		}
	})
}

// Callers who wait for their turn are slowed down, not refused.
func TestOverloadSlowsAThousandCallersAndRefusesNone(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		w.limit(640 << 10) // room for all to wait, and for a quarter of them at work
		var callers sync.WaitGroup
		for i := range 1000 {
			callers.Go(func() {
				for range 3 {
					id, err := w.Start(context.Background(), "Echo", fmt.Sprint(i), client.StartOptions{})
					if err != nil {
						w.Errorf("Start = %v", err)
						return
					}
					if _, err := w.Wait(context.Background(), id); err != nil {
						w.Errorf("Wait = %v", err)
					}
				}
			})
		}
		callers.Wait()
	})
}

// turns is an executor that lets turns happen one by one, as a test says.
type turns struct {
	engine.Executor
	step chan struct{} // one is taken for each turn

	mu    sync.Mutex // guards order
	order []turned
}

type turned struct {
	id     string
	events int
}

func (s *turns) Orchestrate(ctx context.Context, work history.Work) (history.Outcome, error) {
	s.mu.Lock()
	s.order = append(s.order, turned{string(work.Instance.ID), len(work.Turn.Events)})
	s.mu.Unlock()
	select {
	case <-s.step:
	case <-ctx.Done():
		return history.Outcome{}, ctx.Err()
	}
	return s.Executor.Orchestrate(ctx, work)
}

// oneByOne begins a process that decides one turn at a time.
func (w *world) oneByOne() *turns {
	w.stop()
	s := &turns{step: make(chan struct{}, 1<<20)}
	w.around = func(exec engine.Executor) engine.Executor { s.Executor = exec; return s }
	w.options.MaxOrchestrators = 1
	w.start()
	return s
}

// take lets n turns happen and returns whose they were.
func (s *turns) take(w *world, n int) []turned {
	for range n {
		s.step <- struct{}{}
	}
	w.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order
}

func addNeighbours(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Loop", func(ctx *perdure.OrchestrationContext, n int) (int, error) { return 0, ctx.ContinueAsNew(n + 1) })
	perdure.AddOrchestrator(app, "Echo", func(_ *perdure.OrchestrationContext, in string) (string, error) { return in, nil })
	perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return perdure.WaitForExternalEvent[any](ctx, "end").Await()
	})
	perdure.AddOrchestrator(app, "Hello", func(ctx *perdure.OrchestrationContext, _ any) (string, error) {
		for range 3 {
			if _, err := perdure.ActivityRef[any, string]("Say").Call(ctx, nil).Await(); err != nil {
				return "", err
			}
		}
		return "hello", nil
	})
	perdure.AddActivity(app, "Say", func(context.Context, any) (string, error) { return "hi", nil })
}

// A loop that never ends has one turn, and then everybody else who waits has one.
func TestRunawayLoopTakesTurnsWithItsNeighbours(t *testing.T) {
	contract(t, addNeighbours, func(w *world) {
		s := w.oneByOne()
		const hellos = 20
		w.mustStart("Loop", 0, client.StartOptions{ID: "loop"})
		w.settle() // it is in its first turn
		for i := range hellos {
			w.mustStart("Hello", nil, client.StartOptions{ID: history.InstanceID(fmt.Sprint("h", i))})
		}
		loops := 0
		for n := 0; ; n++ {
			order := s.take(w, 1)
			if last := order[len(order)-1]; last.id == "loop" {
				loops++
			}
			if counts, err := w.Count(context.Background(), client.Query{Name: "Hello"}); err != nil || counts[history.Completed] == hellos {
				break
			}
			if n > 1000 {
				w.Fatalf("%d hellos are not done after %d turns", hellos, n)
			}
		}
		if loops > 6 { // four turns each, one of the loop between two rounds
			w.Errorf("the loop had %d turns while %d hellos of 4 turns ran, want at most 6", loops, hellos)
		}
		close(s.step)
		if err := w.Terminate(context.Background(), "loop", client.TerminateOptions{Wait: true}); err != nil {
			w.Errorf("Terminate = %v", err)
		}
	})
}

// A flooded inbox is taken in by portions, and others have their turns between
// them.
func TestFloodedInboxTakesTurnsWithItsNeighbours(t *testing.T) {
	contract(t, addNeighbours, func(w *world) {
		const events, portion, neighbours = 25_000, 10_000, 20
		s := w.oneByOne()
		w.mustStart("Wait", nil, client.StartOptions{ID: "first"})
		w.settle() // it keeps the only worker
		w.mustStart("Wait", nil, client.StartOptions{ID: "flooded"})
		var raising sync.WaitGroup
		for range 100 {
			raising.Go(func() {
				for range events / 100 {
					w.raise("flooded", "n", 1)
				}
			})
		}
		raising.Wait()
		for i := range neighbours {
			w.mustStart("Echo", "x", client.StartOptions{ID: history.InstanceID(fmt.Sprint("e", i))})
		}
		var order, want []string
		taken := 0
		for _, turn := range s.take(w, 1+neighbours+3) {
			order = append(order, turn.id)
			if turn.id == "flooded" {
				taken += turn.events
			}
			if turn.events > portion+1 { // and the start
				w.Errorf("a turn of %s has %d events, want at most %d", turn.id, turn.events, portion)
			}
		}
		want = append(want, "first", "flooded")
		for i := range neighbours {
			want = append(want, fmt.Sprint("e", i))
		}
		want = append(want, "flooded", "flooded")
		if !slices.Equal(order, want) {
			w.Errorf("turns are those of %v, want %v", order, want)
		}
		if taken != 1+events {
			w.Errorf("the flooded instance has taken in %d events, want %d and its start", taken, events)
		}
		close(s.step)
	})
}

// What a caller chooses the length of counts, whatever it is called.
func TestOverloadCountsNamesAndKeys(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		w.limit(64 << 10)
		later := w.mustStart("Echo", "x", client.StartOptions{StartAt: time.Now().Add(24 * time.Hour)})
		name := strings.Repeat("n", history.MaxNameBytes)
		accepted := 0
		for ; accepted < 100; accepted++ {
			key := fmt.Sprintf("%0*d", history.MaxKeyLength, accepted)
			err := w.Raise(context.Background(), history.InstanceID(later), name, 1, client.WithIdempotencyKey(key))
			if errors.Is(err, client.ErrResourceExhausted) {
				break
			}
			if err != nil {
				w.Fatal(err)
			}
		}
		if most := (16<<10)/(len(name)+history.MaxKeyLength) + 1; accepted > most {
			w.Errorf("%d events with names and keys of 300 bytes are accepted where 16 KiB may wait, want %d at most", accepted, most)
		}
	})
}

// Operators get through, but not without end: code that does not take its commands in
// does not fill the memory with them.
func TestCommandsThatAreNotTakenInAreBounded(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		ctx := context.Background()
		later := w.mustStart("Echo", "x", client.StartOptions{StartAt: time.Now().Add(24 * time.Hour)})
		reason := strings.Repeat("r", 10_000)
		var err error
		bytes := 0
		for ; err == nil && bytes < 3<<20; bytes += 2 * len(reason) {
			err = errors.Join(w.Suspend(ctx, history.InstanceID(later), reason), w.Resume(ctx, history.InstanceID(later), reason))
		}
		if !errors.Is(err, client.ErrResourceExhausted) || !strings.Contains(err.Error(), later) {
			w.Errorf("after %d bytes of commands: %v, want ErrResourceExhausted that names the instance", bytes, err)
		}
		if err := w.Terminate(ctx, history.InstanceID(later), client.TerminateOptions{Wait: true}); err != nil {
			w.Errorf("terminate = %v, want it done", err)
		}
	})
}

func TestWhatIsTooLongToBeStoredIsRefused(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Echo", "x", client.StartOptions{StartAt: time.Now().Add(24 * time.Hour)})
		reason := strings.Repeat("r", history.MaxReasonBytes)
		tags := map[string]string{}
		for i := range history.MaxTags + 1 {
			tags[fmt.Sprint(i)] = ""
		}
		for what, err := range map[string]error{
			"suspend":   w.Suspend(ctx, history.InstanceID(id), reason),
			"resume":    w.Resume(ctx, history.InstanceID(id), reason),
			"terminate": w.Terminate(ctx, history.InstanceID(id), client.TerminateOptions{Reason: reason}),
			"rewind":    w.Rewind(ctx, history.InstanceID(id), client.RewindOptions{Reason: reason}),
			"version":   second(w.Start(ctx, "Echo", "x", client.StartOptions{Version: reason})),
			"tags":      second(w.Start(ctx, "Echo", "x", client.StartOptions{Tags: tags})),
		} {
			if !errors.Is(err, client.ErrInvalidArgument) || !strings.Contains(err.Error(), "at most") {
				w.Errorf("%s = %v, want ErrInvalidArgument that tells the limit", what, err)
			}
		}
	})
}

// What can be told before the payload has come, is.
func TestChecksTellWhatAnOperationWouldBeRefusedFor(t *testing.T) {
	contract(t, addBlocked, func(w *world) {
		ctx := context.Background()
		live := w.mustStart("Echo", "x", client.StartOptions{StartAt: time.Now().Add(24 * time.Hour)})
		ended := w.mustStart("Echo", "x", client.StartOptions{})
		w.completed(ended)
		start := func(name string, id history.InstanceID) error {
			return w.engine.CheckStart(ctx, hub.StartRequest{Name: name, ID: id})
		}
		raise := func(id, name string) error {
			return w.engine.CheckRaise(ctx, history.InstanceID(id), hub.RaiseRequest{Name: name})
		}
		for _, c := range []struct {
			what string
			err  error
			want error
		}{
			{"start", start("Echo", ""), nil},
			{"start of nobody", start("Nobody", ""), hub.ErrUnknownOrchestrator},
			{"start with a bad id", start("Echo", "a/b"), hub.ErrInvalidArgument},
			{"import", w.engine.CheckImport(ctx, hub.ImportRequest{}), nil},
			{"import with a bad id", w.engine.CheckImport(ctx, hub.ImportRequest{ID: "a/b"}), hub.ErrInvalidArgument},
			{"raise", raise(live, "go"), nil},
			{"raise without a name", raise(live, " "), hub.ErrInvalidArgument},
			{"raise to nobody", raise("nobody", "go"), hub.ErrNotFound},
			{"raise to an ended instance", raise(ended, "go"), hub.ErrTerminal},
		} {
			if c.want == nil && c.err != nil || !errors.Is(c.err, c.want) {
				w.Errorf("check of %s = %v, want %v", c.what, c.err, c.want)
			}
		}
		w.limit(1)
		stuck := w.mustStart("Block", nil, client.StartOptions{})
		w.settle()
		for what, err := range map[string]error{
			"start": start("Echo", ""), "raise": raise(stuck, "go"), "import": w.engine.CheckImport(ctx, hub.ImportRequest{}),
		} {
			if !errors.Is(err, hub.ErrResourceExhausted) {
				w.Errorf("check of %s in a hub without room = %v, want ErrResourceExhausted", what, err)
			}
		}
	})
}
