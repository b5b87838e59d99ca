package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
	"github.com/perdure/perdure/internal/worker"
)

// Fault tests: one script of everything that writes, run once for every commit
// that it makes and every way in which a commit can fail. The engine is not helped: it
// ends its tenure, reads the store again and goes on. Whatever a client was told is
// durable must then come true, once.

// TestFaults fails each commit of the script in turn: as deltas happen to gather,
// and with a commit for each delta, so that each is the first not to be stored.
func TestFaults(t *testing.T) {
	testFaults(t, faults{register: addScript, play: playScript, check: checkScript})
}

// TestFaultsOfPurges does so with what removes instances.
func TestFaultsOfPurges(t *testing.T) {
	testFaults(t, faults{register: addFamily, play: playPurges, check: checkPurges})
}

// TestFaultsOfOverload does so while callers wait to be admitted: what is refused was
// not stored, whatever fails.
func TestFaultsOfOverload(t *testing.T) {
	testFaults(t, faults{register: addBlocked, limit: 8 << 10, play: playOverload, check: func(*world) {}})
}

func playOverload(w *world) {
	const callers = 12
	errs := make([]error, callers)
	var calls sync.WaitGroup
	for i := range callers {
		calls.Go(func() {
			_, errs[i] = w.Start(context.Background(), "Block", nil, client.StartOptions{ID: history.InstanceID(fmt.Sprint("s", i))})
		})
	}
	calls.Wait()
	for i, err := range errs {
		id := fmt.Sprint("s", i)
		switch {
		case err == nil:
			w.completed(id)
		case errors.Is(err, client.ErrResourceExhausted):
			if _, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
				w.Errorf("Status of %s, which was refused: error = %v, want ErrNotFound", id, err)
			}
		case !errors.Is(err, client.ErrUnavailable):
			w.Errorf("Start(%s) = %v", id, err)
		}
	}
	err := hub.ErrUnavailable // when the last commit is the one that fails
	for errors.Is(err, hub.ErrUnavailable) {
		time.Sleep(time.Second)
		_, err = w.Start(context.Background(), "Echo", "x", client.StartOptions{})
	}
	if err != nil {
		w.Errorf("Start when nothing is at hand = %v", err)
	}
}

func testFaults(t *testing.T, f faults) {
	stores := []struct {
		name string
		open func(t *testing.T) store.Store
	}{
		{"memory", openMemory},
		{"embedded", openEmbedded},
	}
	for _, store := range stores {
		for _, cache := range []struct {
			name  string
			bytes int
		}{{"kept", 0}, {"evicted", -1}} {
			for _, single := range []bool{false, true} {
				f := f
				t.Run(fmt.Sprintf("%s/%s/single=%t", store.name, cache.name, single), func(t *testing.T) {
					t.Parallel()
					f.open, f.cacheBytes, f.single = store.open, cache.bytes, single
					if store.name == "memory" && cache.name == "evicted" && !single {
						f.open = openLanes
					}
					f.test(t)
				})
			}
		}
	}
}

// faults is one way to run the script.
type faults struct {
	register func(*world, *perdure.App)
	play     func(*world)
	check    func(*world)
	limit    int // of bytes at hand; 0: the usual one

	open       func(t *testing.T) store.Store
	cacheBytes int
	single     bool
}

func (f faults) test(t *testing.T) {
	commits := f.run(t, 0, storetest.NotStored) // no commit has the number 0
	least := 10
	if !f.single { // how deltas gather to commits differs from run to run
		least = 2
	}
	if commits < least {
		t.Fatalf("the script makes %d commits, want %d or more", commits, least)
	}
	failed := 0
	for n := 1; n <= commits; n++ {
		for mode, name := range map[storetest.FaultMode]string{storetest.NotStored: "NotStored", storetest.StoredButFailed: "StoredButFailed"} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				if f.run(t, n, mode) >= n {
					failed++
				}
			})
		}
	}
	if f.single { // else the last numbers may not be reached
		least = commits
	}
	if failed < least {
		t.Errorf("%d commits failed, want %d or more of %d", failed, least, 2*commits)
	}
}

// run plays and checks the script while commit n fails; it returns how many
// commits there were.
func (f faults) run(t *testing.T, n int, mode storetest.FaultMode) (commits int) {
	synctest.Test(t, func(t *testing.T) {
		faulty := storetest.Faulty(f.open(t))
		faulty.FailCommit(n, mode)
		w := &world{T: t, register: f.register, inner: faulty, options: engine.Options{CacheBytes: f.cacheBytes, MaxBacklogBytes: f.limit}}
		if f.single {
			w.inner = singly{faulty}
		}
		w.start()
		defer w.stop()
		f.play(w)
		f.check(w)
		commits = faulty.Commits()
	})
	return commits
}

// singly is a store that commits deltas one by one. The caller of a commit that
// fails cannot tell it from several commits of which the last failed.
type singly struct{ store.Store }

func (s singly) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	return storetest.JoinWith(ctx, s.Store, self, commitSingly)
}

func commitSingly(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
	if len(deltas) == 0 {
		return t.Commit(ctx, lane, nil)
	}
	for _, d := range deltas {
		if err := t.Commit(ctx, lane, []*store.Delta{d}); err != nil {
			return err
		}
	}
	return nil
}

// addScript registers what the script runs.
func addScript(_ *world, app *perdure.App) {
	perdure.AddActivity(app, "Greet", greet)
	greetAll := func(ctx *perdure.OrchestrationContext, names ...string) ([]string, error) {
		var out []string
		for _, name := range names {
			s, err := perdure.CallActivity(ctx, greet, name).Await()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
	perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, name string) ([]string, error) {
		return greetAll(ctx, name, name+"'s cat")
	})
	// Journey, generation 1: a chain, a child, a timer, an event, an event sent
	// on, an instance of its own started, continue-as-new. Generation 2: a fan-out and a timer
	// given up.
	perdure.AddOrchestrator(app, "Journey", func(ctx *perdure.OrchestrationContext, out []string) ([]string, error) {
		if len(out) > 0 {
			timeout := ctx.CreateTimer(time.Hour)
			var tasks []*perdure.Task[string]
			for _, name := range []string{"x", "y", "z"} {
				tasks = append(tasks, perdure.CallActivity(ctx, greet, name))
			}
			all, err := perdure.WhenAll(ctx, tasks...).Await()
			timeout.Cancel()
			return append(out, all...), err
		}
		out, err := greetAll(ctx, "a", "b")
		if err != nil {
			return nil, err
		}
		more, err := perdure.OrchestratorRef[string, []string]("Child").Call(ctx, "Ada", perdure.WithInstanceID("child")).Await()
		if err != nil {
			return nil, err
		}
		if _, err := ctx.CreateTimer(time.Minute).Await(); err != nil {
			return nil, err
		}
		word, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		if err != nil {
			return nil, err
		}
		if err := perdure.SendEvent(ctx, "listener", "Go", word); err != nil {
			return nil, err
		}
		if _, err := (perdure.OrchestratorRef[string, []string]("Child").Start(ctx, "Bob", perdure.WithInstanceID("detached"))); err != nil {
			return nil, err
		}
		return nil, ctx.ContinueAsNew(append(append(out, more...), word))
	})
	perdure.AddOrchestrator(app, "UntilGo", untilGo)
}

// begin starts an instance, once.
func (w *world) begin(id, name string, input any) {
	w.Helper()
	w.insist("start "+id, func(ctx context.Context) error {
		_, err := w.Start(ctx, name, input, client.StartOptions{ID: history.InstanceID(id), Reuse: client.RefuseIfExists})
		return err
	}, client.ErrAlreadyExists) // an earlier try was stored
}

// playPurges purges by id, by tree, by force and by a filter, and restarts what
// has ended.
func playPurges(w *world) {
	w.begin("family", "Family", 1)
	w.begin("again", "Family", 0)
	w.begin("live", "UntilGo", nil)
	w.begin("forced", "Family", 1)
	for i := range 4 {
		w.begin(fmt.Sprintf("filtered %d", i), "UntilGo", nil)
	}
	time.Sleep(time.Second)
	w.insist("terminate the family", func(ctx context.Context) error {
		return w.Terminate(ctx, "family", client.TerminateOptions{Recursive: true})
	}, client.ErrTerminal)
	for _, id := range []string{"again", "filtered 0", "filtered 1", "filtered 2", "filtered 3"} {
		w.insist("raise", func(ctx context.Context) error { return w.Raise(ctx, history.InstanceID(id), "Go", 0) }, client.ErrTerminal)
	}
	time.Sleep(time.Second)
	w.insist("restart", func(ctx context.Context) error {
		_, err := w.Restart(ctx, "again", client.RestartOptions{SameID: true})
		return err
	}, client.ErrAlreadyExists) // an earlier try was stored
	w.insist("purge the family", func(ctx context.Context) error {
		_, err := w.Purge(ctx, "family", client.PurgeOptions{Recursive: true})
		return err
	})
	w.insist("purge by force", func(ctx context.Context) error {
		_, err := w.Purge(ctx, "forced", client.PurgeOptions{Recursive: true, Force: true})
		return err
	})
	reported := 0
	w.insist("purge by filter", func(ctx context.Context) error {
		result, err := w.engine.PurgeBy(ctx, hub.PurgeFilter{Query: history.Query{IDPrefix: "filtered"}})
		reported += result.Deleted
		return err
	})
	if reported > 4 {
		w.Errorf("4 instances were reported as deleted %d times", reported)
	}
}

// checkPurges checks that what was purged is gone and what was not is not.
func checkPurges(w *world) {
	want := map[string]history.RuntimeStatus{
		"again": history.Running, "live": history.Running, "loose family": history.Running, "loose forced": history.Running,
	}
	time.Sleep(time.Second)
	got := make(map[string]history.RuntimeStatus)
	for _, row := range w.rows() {
		got[string(row.ID)] = row.Status
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("instances left (-want +got):\n%s", diff)
	}
	for id := range want {
		w.insist("raise", func(ctx context.Context) error { return w.Raise(ctx, history.InstanceID(id), "Go", 0) }, client.ErrTerminal)
		w.ended(id, history.Completed)
		w.replays(id)
	}
	w.idle()
}

// playScript does what clients do. Each repeats its call until it has an answer.
func playScript(w *world) {
	w.begin("listener", "UntilGo", nil)
	w.begin("victim", "UntilGo", nil)
	w.begin("journey", "Journey", nil)
	w.insist("raise", func(ctx context.Context) error {
		return w.Raise(ctx, "journey", "go", "on", client.WithIdempotencyKey("1"))
	})
	time.Sleep(30 * time.Second)
	w.insist("terminate", func(ctx context.Context) error {
		return w.Terminate(ctx, "victim", client.TerminateOptions{Reason: "enough"})
	}, client.ErrTerminal)
	w.insist("raise again", func(ctx context.Context) error {
		return w.Raise(ctx, "journey", "go", "on", client.WithIdempotencyKey("1"))
	}, client.ErrTerminal)
}

// insist repeats a call until it succeeds or ends with one of the given errors.
func (w *world) insist(what string, call func(context.Context) error, or ...error) {
	w.Helper()
	var err error
	for range 100 {
		if err = call(context.Background()); err == nil {
			return
		}
		for _, done := range or {
			if errors.Is(err, done) {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.Fatalf("%s = %v, again and again", what, err)
}

// checkScript checks that all that was promised has come true.
func checkScript(w *world) {
	for _, want := range []struct {
		id     string
		status history.RuntimeStatus
		output string
		tasks  int // activities in the history of the last execution
	}{
		{"journey", history.Completed, `["Hello a!","Hello b!","Hello Ada!","Hello Ada's cat!","on","Hello x!","Hello y!","Hello z!"]`, 3},
		{"child", history.Completed, `["Hello Ada!","Hello Ada's cat!"]`, 2},
		{"detached", history.Completed, `["Hello Bob!","Hello Bob's cat!"]`, 2},
		{"listener", history.Completed, `"on"`, 0},
		{"victim", history.Terminated, `"enough"`, 0},
	} {
		// An instance that nobody waits for may begin after the one that started it ended.
		w.insist("Status("+want.id+")", func(ctx context.Context) error {
			_, err := w.Status(ctx, history.InstanceID(want.id), client.StatusOptions{})
			return err
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		s, err := w.Wait(ctx, history.InstanceID(want.id))
		cancel()
		if err != nil {
			w.Errorf("Wait(%s) = %v; held: %v; status %s", want.id, err, w.engine.Held(), w.json(want.id))
			continue
		}
		if s.RuntimeStatus != want.status || string(s.Output) != want.output {
			w.Errorf("%s ended %s with %s, want %s with %s", want.id, s.RuntimeStatus, s.Output, want.status, want.output)
		}
		answers := make(map[int32]int)
		for _, ev := range w.history(want.id) {
			if ev.Kind == history.TaskCompleted {
				answers[ev.TaskID]++
			}
		}
		if len(answers) != want.tasks {
			w.Errorf("history of %s has results of %d activities, want %d", want.id, len(answers), want.tasks)
		}
		for task, n := range answers {
			if n != 1 {
				w.Errorf("history of %s has %d results of activity %d, want 1", want.id, n, task)
			}
		}
		w.replays(want.id)
	}
	w.idle()
}

// replays checks that every turn of the instance, decided anew by a worker that
// has nothing but the turns before it, asks for what is recorded.
func (w *world) replays(id string) {
	w.Helper()
	row, ok, err := w.inner.FindInstance(context.Background(), history.InstanceID(id))
	if err != nil || !ok {
		w.Fatalf("FindInstance(%s) = %t, %v", id, ok, err)
	}
	var turns []history.Turn
	for turn, err := range history.Turns(w.decoded(row.Number)) {
		if err != nil {
			w.Fatalf("read history of %s: %v", id, err)
		}
		turns = append(turns, turn)
	}
	app := perdure.New()
	w.register(w, app)
	calls := make(map[int32]bool)
	for k, turn := range turns {
		run, err := worker.New(app, worker.Options{})
		if err != nil {
			w.Fatalf("register functions: %v", err)
		}
		var incoming, recorded, asked []history.Event
		terminated := false
		for _, ev := range turn.Events {
			again := ev.Kind.Scheduling() && calls[ev.ID] // by a rewind, not by the code
			calls[ev.ID] = calls[ev.ID] || ev.Kind.Scheduling()
			if (ev.Kind.Scheduling() || ev.Kind == history.ExecutionCompleted) && !again {
				recorded = append(recorded, ev)
			} else {
				incoming = append(incoming, ev)
			}
			terminated = terminated || ev.Kind == history.ExecutionTerminated
		}
		if terminated {
			continue // no code ran
		}
		out, err := run.Orchestrate(context.Background(), history.Work{
			Instance: row, PastTurns: k,
			Turn: history.Turn{Seq: turn.Seq, At: turn.At, Events: incoming},
			Past: func(context.Context) iter.Seq2[history.Turn, error] {
				return func(yield func(history.Turn, error) bool) {
					for _, past := range turns[:k] {
						if !yield(past, nil) {
							return
						}
					}
				}
			},
		})
		run.Close()
		if err != nil {
			w.Fatalf("replay of turn %d of %s = %v", k+1, id, err)
		}
		for i := range out.Actions {
			if ev, ok := out.Actions[i].Event(turn.At); ok {
				asked = append(asked, ev)
			}
		}
		if diff := cmp.Diff(recorded, asked, cmpopts.EquateEmpty()); diff != "" {
			w.Errorf("replay of turn %d of %s differs (-recorded +replayed):\n%s", k+1, id, diff)
		}
	}
}

// decoded yields the records of an instance.
func (w *world) decoded(number history.Number) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for rec, err := range w.inner.Records(context.Background(), number) {
			var turn history.Turn
			if err == nil {
				turn, err = history.DecodeTurn(rec.Seq, rec.Bytes)
			}
			if !yield(turn, err) {
				return
			}
		}
	}
}

// idle checks that the store holds nothing that is still to be done.
func (w *world) idle() {
	w.Helper()
	w.settle()
	for p := range w.inner.Partitions() {
		for ref, err := range w.inner.Working(context.Background(), p) {
			w.Errorf("work flag of %v is set (%v), want no work left", ref, err)
		}
		for m, err := range w.inner.Inbox(context.Background(), p) {
			w.Errorf("inbox holds %v (%v), want no message left", m.MessageKey, err)
		}
		timers, err := w.inner.Timers(context.Background(), p, store.Timer{}, time.Now().Add(1000*time.Hour), 10)
		if err != nil || len(timers) > 0 {
			w.Errorf("timers left: %v (%v), want none", timers, err)
		}
	}
}
