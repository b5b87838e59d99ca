package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// Options tune an [Engine]. The zero value is ready to use.
type Options struct {
	Logger           *slog.Logger     // nil: discarded
	Listener         Listener         // hears what the log tells, and more
	Now              func() time.Time // nil: time.Now
	MaxActivities    int              // activities running at a time; 0: 10 for each core
	MaxOrchestrators int              // turns running at a time; 0: 10 for each core
	CacheBytes       int              // memory for instances that are loaded but idle; 0: 64 MiB; negative: none
	MaxBacklogBytes  int              // work at hand beyond which new work waits or is refused; 0: 128 MiB; negative: no limit
	MaxDeaths        int              // process deaths after which what ran at each of them is put aside; 0: 5
	Build            func() string    // names the program, so that another build is given another chance; nil: all are one
	DrainTimeout     time.Duration    // how long stopping waits for what runs; 0: 10 s
	DefaultVersion   string           // version of starts that name none
	Hub              string           // its name, for errors
	Node             store.Node       // this process
}

// setDefaults fills in what was left out, once, so that nobody else has to know
// a default.
func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hub != "" {
		o.Logger = o.Logger.With("hub", o.Hub)
	}
	o.Listener = join(newLogListener(o.Logger), o.Listener)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxActivities == 0 {
		o.MaxActivities = 10 * runtime.GOMAXPROCS(0)
	}
	if o.MaxOrchestrators == 0 {
		o.MaxOrchestrators = 10 * runtime.GOMAXPROCS(0)
	}
	switch {
	case o.CacheBytes == 0:
		o.CacheBytes = 64 << 20
	case o.CacheBytes < 0:
		o.CacheBytes = 0
	}
	if o.MaxBacklogBytes == 0 {
		o.MaxBacklogBytes = 128 << 20
	}
	if o.MaxDeaths == 0 {
		o.MaxDeaths = 5
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 10 * time.Second
	}
}

// Engine makes one hub's instances durable. Its methods are safe for concurrent
// use; operations wait until [Engine.Run] has acquired the hub.
type Engine struct {
	store   store.Store
	exec    executor
	options Options
	waiters waiters
	sweeps  sweeps
	deaths  *deaths      // of [Engine.Run]; nil before it
	left    atomic.Int64 // goroutines that user code does not give back

	mu      sync.Mutex    // guards the rest
	tenure  *tenure       // nil while there is none
	cause   error         // why there is none, when something went wrong
	stopped bool          // nothing is accepted any more
	change  chan struct{} // closed, and replaced, when the above changes
}

// New returns an engine for the hub in store. With an exec of nil it accepts
// operations, and what they ask for happens when an engine with one runs on the
// store.
func New(store store.Store, exec Executor, options Options) *Engine {
	options.setDefaults()
	return &Engine{store: store, exec: newExecutor(exec), options: options, change: make(chan struct{})}
}

// Run owns the hub until ctx ends; then it starts nothing new, waits at most
// DrainTimeout for what runs, stores its results and returns nil. A commit that
// does not succeed does not end Run: everything not known to be stored is given
// up, read again, and done again. What does end it early is a store that is
// broken for good ([store.ErrBroken]). User code that ignores all that gets two
// seconds more; should any still run then, the error is an [ErrLeftBehind] that
// names it.
func (e *Engine) Run(ctx context.Context) error {
	defer e.set(nil, nil, true)
	defer func() {
		if e.deaths != nil {
			e.deaths.end(context.WithoutCancel(ctx))
		}
	}()
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := e.own(ctx)
		if ctx.Err() != nil || errors.Is(err, store.ErrBroken) {
			return err
		}
		e.set(nil, err, false)
		if time.Since(began) > time.Minute {
			attempt = 0
		}
		delay := min(firstRecovery<<min(attempt, 16), lastRecovery)
		e.options.Logger.Error("the hub will be read again", "cause", err, "in", delay)
		sleep(ctx, delay)
	}
}

// Delays between tenures when the store does not do as it should.
const (
	firstRecovery = 50 * time.Millisecond
	lastRecovery  = 5 * time.Second
)

// sleep waits for d or until ctx ends, whichever is first.
func sleep(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// own runs one tenure.
func (e *Engine) own(ctx context.Context) error {
	joined, err := e.store.Join(ctx, e.options.Node)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("join the hub: %w", err)
	}
	turns, admission := newReadyQueue(), newAdmission(&e.options, !e.exec.runs)
	t := &tenure{
		store: e.store, joined: joined, exec: e.exec, options: e.options, log: e.options.Logger, listener: e.options.Listener,
		admission: admission, lanes: newLanes(joined, admission, turns, e.options.Listener.Commit), ready: turns, timers: newTimerQueue(e.options.Now),
		cache: newCache(e.options.CacheBytes), waiters: &e.waiters,
		left: &e.left, treePurges: make(chan struct{}, 1),
	}
	t.watch = newWatch(t)
	t.ctx, t.end = context.WithCancelCause(history.WithStopping(context.WithoutCancel(ctx), ctx.Done()))
	if e.deaths == nil {
		e.deaths = newDeaths(ctx, e.store, e.exec.runs, &e.options)
	}
	e.deaths.restart(t.timers.after)
	t.deaths = e.deaths
	t.large = newLargeQueue(t.ctx, t.lanes)
	t.activities = newActivities(e.options.MaxActivities, t.perform)
	t.activities.deaths = t.deaths
	t.activities.wake, t.activities.returned = t.watch.wake, func() { e.left.Add(-1) }
	if err := t.begin(ctx); err != nil {
		t.end(err)
		<-t.activities.stop()
		t.leaveHub()
		if ctx.Err() != nil {
			return nil // stopped before there was anything to drain
		}
		return err
	}
	e.set(t, nil, false)
	e.waiters.notifyAll() // of what the tenure before may have stored
	return t.run(ctx, func() { e.set(t, nil, true) })
}

// set makes t the present tenure, nil for none, and wakes all who wait for one
// or watch for its end.
func (e *Engine) set(t *tenure, cause error, stopped bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tenure, e.cause, e.stopped = t, cause, stopped
	close(e.change)
	e.change = make(chan struct{})
}

// owner returns the present tenure, waiting for the first one.
func (e *Engine) owner(ctx context.Context) (*tenure, error) {
	for {
		e.mu.Lock()
		t, cause, stopped, change := e.tenure, e.cause, e.stopped, e.change
		e.mu.Unlock()
		switch {
		case stopped:
			return nil, fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable)
		case t != nil:
			return t, nil
		case cause != nil:
			return nil, fmt.Errorf("%w: %w", hub.ErrUnavailable, cause)
		}
		if err := wait(ctx, change); err != nil {
			return nil, err
		}
	}
}

// Owned reports whether the engine has the hub: operations need not wait for
// it.
func (e *Engine) Owned() bool { return e.current() != nil }

// current returns the present tenure, nil when there is none.
func (e *Engine) current() *tenure {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tenure
}
