package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// The contract tests: one for each row of docs/contracts/runtime.md section 10, named after
// its group and number, through the client and with real functions. Each runs
// on every store, with orchestrators kept in memory and with all of them dropped
// after every turn, in virtual time; on memory the latter with several lanes.

// contract runs test in every mode. register adds the test's functions to the
// app of a fresh world; it runs again when the world is restarted.
func contract(t *testing.T, register func(w *world, app *perdure.App), test func(w *world)) {
	t.Helper()
	stores := []struct {
		name string
		open func(t *testing.T) store.Store
	}{
		{"memory", openMemory},
		{"embedded", openEmbedded},
	}
	for _, store := range stores {
		for _, mode := range []struct {
			name  string
			cache int
		}{{"kept", 0}, {"evicted", -1}} {
			open := store.open
			if store.name == "memory" && mode.name == "evicted" {
				open = openLanes
			}
			t.Run(store.name+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := &world{T: t, register: register, inner: open(t), options: engine.Options{CacheBytes: mode.cache}}
					w.start()
					defer w.stop()
					test(w)
				})
			})
		}
	}
}

func openMemory(*testing.T) store.Store { return memory.New(4) }

// openLanes returns a store in which every partition but one has a lane of its
// own: messages between instances mostly cross lanes.
func openLanes(*testing.T) store.Store { return memory.NewWith(4, memory.Options{Lanes: 3}) }

func openEmbedded(t *testing.T) store.Store {
	db, err := embedded.Open("hub", embedded.Options{FS: vfs.NewMem(), FreeBytes: func() (uint64, error) { return 1 << 40, nil }})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	hub, err := db.Hub("Hub", store.HubOptions{Partitions: 4, Create: true})
	if err != nil {
		t.Fatalf("open hub: %v", err)
	}
	return hub
}

// world is a hub and the process that runs it.
type world struct {
	*testing.T
	register func(w *world, app *perdure.App)
	inner    store.Store
	options  engine.Options
	actions  int           // worker.Options.MaxActions
	skew     atomic.Int64  // added to the clock
	lines    lines         // logged by functions
	told     lines         // logged by the engine
	level    slog.Level    // from which on it logs
	marks    sync.Map      // name -> *atomic.Int64, see mark
	release  chan struct{} // what functions wait for that do not come back; closed at the end of a test
	// around, if any, wraps the worker of the processes started from now on.
	around func(engine.Executor) engine.Executor

	*client.Client
	engine *engine.Engine
	worker *worker.Worker
	store  *process
	end    func()
}

// start begins a process on the world's store.
func (w *world) start() {
	w.Helper()
	app := perdure.New()
	if w.register != nil {
		w.register(w, app)
	}
	run, err := worker.New(app, worker.Options{Logger: slog.New(slog.NewTextHandler(&w.lines, nil)), MaxActions: w.actions})
	if err != nil {
		w.Fatalf("register functions: %v", err)
	}
	w.worker = run
	if w.around == nil {
		w.startWith(run)
	} else {
		w.startWith(w.around(run))
	}
}

func (w *world) startWith(exec engine.Executor) {
	w.store = &process{Store: w.inner}
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	w.options.Logger = w.logger()
	w.engine = engine.New(w.store, exec, w.options)
	w.Client = client.Local(w.engine)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	eng, store := w.engine, w.store
	go func() { ended <- eng.Run(ctx) }() // w.end waits for it
	w.end = func() {
		cancel()
		if err := <-ended; err != nil && !store.dead.Load() { // a killed one may leave anything behind
			w.Errorf("engine ended with %v", err)
		}
	}
}

func (w *world) logger() *slog.Logger {
	var out io.Writer = &w.told
	if testing.Verbose() {
		out = io.MultiWriter(out, w.Output())
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: w.level}))
}

// stop ends the process in good order, once nothing happens any more.
func (w *world) stop() {
	w.settle()
	if wrong := w.engine.Unbalanced(); wrong != "" && !w.store.dead.Load() {
		w.Errorf("the work at hand is miscounted: %s", wrong)
	}
	w.end()
	if w.worker != nil {
		w.worker.Close()
	}
	checked(w, w.inner)
}

// crash ends the process as kill -9 would: nothing it does from now on reaches
// the store. A new one begins.
func (w *world) crash() { w.crashFor(0) }

// crashFor lets d pass between the end of the process and the new one.
func (w *world) crashFor(d time.Duration) {
	w.store.kill()
	w.stop()
	time.Sleep(d)
	w.start()
}

// deploy ends the process in good order and begins one with other functions.
func (w *world) deploy(register func(w *world, app *perdure.App)) {
	w.stop()
	w.register = register
	w.start()
}

// mark counts what functions do, across processes: it returns how often it was
// called for name, this time included.
func (w *world) mark(name string) int64 {
	n, _ := w.marks.LoadOrStore(name, new(atomic.Int64))
	return n.(*atomic.Int64).Add(1)
}

// marked returns how often mark was called for name.
func (w *world) marked(name string) int64 {
	if n, ok := w.marks.Load(name); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// lines keeps what is written to it.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count returns how many lines hold part.
func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// process is a store as one process sees it: after kill it takes no commit.
type process struct {
	store.Store
	dead atomic.Bool
	mu   sync.RWMutex // held shared during a commit
}

var errKilled = errors.New("the process is dead")

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead.Store(true)
}

// alive calls f unless the process is dead, and keeps it alive meanwhile.
func (p *process) alive(f func() error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.dead.Load() {
		return errKilled
	}
	return f()
}

func (p *process) Join(ctx context.Context, self store.Node) (joined store.Tenure, err error) {
	err = p.alive(func() error {
		t, err := p.Store.Join(ctx, self)
		joined = &mortal{t, p}
		return err
	})
	return joined, err
}

// mortal is a tenure that changes nothing once its process is dead.
type mortal struct {
	store.Tenure
	process *process
}

func (m *mortal) Acquire(ctx context.Context, partitions ...int) (grants []store.Grant, err error) {
	err = m.process.alive(func() error {
		grants, err = m.Tenure.Acquire(ctx, partitions...)
		return err
	})
	return grants, err
}

func (m *mortal) Commit(ctx context.Context, lane int, deltas []*store.Delta) error {
	return m.process.alive(func() error { return m.Tenure.Commit(ctx, lane, deltas) })
}

func (m *mortal) Fence(ctx context.Context, id store.TenureID) error {
	return m.process.alive(func() error { return m.Tenure.Fence(ctx, id) })
}

func (m *mortal) Leave(ctx context.Context) error {
	return m.process.alive(func() error { return m.Tenure.Leave(ctx) })
}

// mustStart starts an instance and returns its id.
func (w *world) mustStart(name string, input any, o client.StartOptions) string {
	w.Helper()
	id, err := w.Start(context.Background(), name, input, o)
	if err != nil {
		w.Fatalf("Start(%s, %v) = %v", name, input, err)
	}
	return string(id)
}

// completed waits for the instance and returns its output, which must be there.
func (w *world) completed(id string) string {
	w.Helper()
	s := w.ended(id, history.Completed)
	return string(s.Output)
}

// ended waits for the instance to end as want. What the wait tells comes from the
// turn that ended it, or from the store: they must agree.
func (w *world) ended(id string, want history.RuntimeStatus) *client.Status {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10_000*time.Hour)
	defer cancel()
	s, err := w.Wait(ctx, history.InstanceID(id))
	if err != nil {
		w.Fatalf("Wait(%s) = %v; held: %v; status %s", id, err, w.engine.Held(), w.json(id))
	}
	if s.RuntimeStatus != want {
		w.Fatalf("%s ended %s with %s, want %s", id, s.RuntimeStatus, s.Output, want)
	}
	stored, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{})
	if err == nil && stored.ExecutionID == s.ExecutionID {
		if diff := cmp.Diff(stored, s, wholePayloads); diff != "" {
			w.Fatalf("the wait for %s told another status than the store has (-store +wait):\n%s", id, diff)
		}
	}
	return s
}

// wholePayloads compares payloads as one: byte by byte, megabytes take a minute.
var wholePayloads = cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })

// run starts an instance, waits for it and returns its output.
func (w *world) run(name string, input any) string {
	w.Helper()
	return w.completed(w.mustStart(name, input, client.StartOptions{}))
}

// status returns the status of an instance that exists.
func (w *world) status(id string) *client.Status {
	w.Helper()
	s, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{})
	if err != nil {
		w.Fatalf("Status(%s) = %v", id, err)
	}
	return s
}

func (w *world) json(id string) string {
	s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{Input: true, Output: true, History: true})
	if err != nil {
		return err.Error()
	}
	text, _ := json.Marshal(s)
	return string(text)
}

// raise raises an event that must be accepted.
func (w *world) raise(id, name string, data any) {
	w.Helper()
	if err := w.Raise(context.Background(), history.InstanceID(id), name, data); err != nil {
		w.Fatalf("Raise(%s, %s) = %v", id, name, err)
	}
}

// settle lets everything happen that does not need time to pass.
func (w *world) settle() { synctest.Wait() }

// history returns the events of an instance, frames included.
func (w *world) history(id string) []history.Event {
	w.Helper()
	s, err := w.engine.Status(context.Background(), history.InstanceID(id), hub.StatusOptions{History: true})
	if err != nil {
		w.Fatalf("history of %s: %v", id, err)
	}
	return s.History
}

// count returns how many events of a kind the instance's history has.
func (w *world) count(id string, kind history.Kind) int {
	w.Helper()
	n := 0
	for _, ev := range w.history(id) {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}
