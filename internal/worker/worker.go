// Package worker runs the functions of an App in this process. It is what an
// engine calls an executor.
//
// Orchestrators stay in memory between their turns, as sessions; one that does
// not fit the turn asked for is rebuilt from its history. Which sessions are
// worth their memory is for the engine to say (see [Worker.Forget]).
package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/registry"
	"github.com/perdure/perdure/internal/replay"
	"github.com/perdure/perdure/internal/stacktrace"
)

// Options are what a worker can be told. Zero fields mean the default.
type Options struct {
	Logger     *slog.Logger // for what orchestrators log; nil discards
	MaxActions int          // of one execution (maxOrchestrationActions); 0 means 100 000
}

// Worker runs the functions of one App. It is safe for concurrent use, except
// that one instance has one turn at a time.
type Worker struct {
	functions *registry.Table
	names     []string // of the orchestrators
	options   Options
	stacks    replay.Stacks

	mu        sync.Mutex // guards the rest; never held while user code runs
	places    map[history.Number]*place
	unwinding map[*unwinding]bool
	closed    bool
}

// place is where the session of an instance is kept.
type place struct {
	number  history.Number
	session atomic.Pointer[replay.Session]
	vacated atomic.Bool // no longer among the worker's places
	left    atomic.Bool // whatever runs here is left behind

	mu sync.Mutex // held while code of the instance may run, and while session is stopped
}

// unwinding is code that runs without a turn: the user's deferred functions
// while it is being unloaded, or all of it while it is rebuilt for those who
// look on.
type unwinding struct {
	number   history.Number
	instance history.InstanceID
	function string
	since    time.Time
	at       replay.Location
	done     chan struct{} // closed when they have run
}

// New returns a worker for app. It reports the mistakes made in registering
// app's functions, and a build of Go that it cannot work with.
func New(app *perdure.App, options Options) (*Worker, error) {
	if err := errors.Join(app.Validate(), replay.CheckRuntime()); err != nil {
		return nil, err
	}
	functions := registry.Of(app)
	return &Worker{functions: functions, names: functions.Orchestrators.Names(), options: options, places: make(map[history.Number]*place), unwinding: make(map[*unwinding]bool)}, nil
}

// Orchestrators returns the names of the orchestrators that can run here.
func (w *Worker) Orchestrators() []string { return w.names }

// ErrClosed answers turns asked of a worker after [Worker.Close].
var ErrClosed = errors.New("worker is closed")

// Orchestrate runs one turn of an instance. Errors: [history.ErrUnregistered],
// [history.ErrParked], [ErrClosed], or what reading the history led to.
func (w *Worker) Orchestrate(ctx context.Context, work history.Work) (history.Outcome, error) {
	fn, ok := w.functions.Orchestrators.Find(work.Instance.Name)
	if !ok {
		return history.Outcome{}, unregistered("orchestrator", work.Instance.Name, w.Orchestrators())
	}
	p, err := w.occupy(ctx, work.Instance.Number)
	if err != nil {
		return history.Outcome{}, err
	}
	defer w.release(p)
	session := p.session.Load()
	if session == nil || session.ExecutionID() != work.Instance.ExecutionID || session.Turns() != work.PastTurns {
		if w.unload(p) {
			w.unwound(ctx, work.Instance.Number)
		}
		session = w.newSession(fn, work.Instance)
		p.session.Store(session)
		if p.left.Load() { // before Leave could find the session
			session.Leave()
		}
	}
	outcome, err := session.Run(ctx, work)
	if err != nil || ended(outcome) {
		w.remove(p)
	}
	return outcome, err
}

// errRunning answers those who look on while the code runs.
var errRunning = errors.New("its code runs right now")

// Awaits returns the external events that an instance's code waits for, and
// those that are kept though it does not, from its session or else from one
// that is built for the purpose and dropped. It neither waits for a turn nor
// keeps one waiting for longer than it reads.
func (w *Worker) Awaits(ctx context.Context, work history.Work) ([]history.Await, []history.Kept, error) {
	fn, ok := w.functions.Orchestrators.Find(work.Instance.Name)
	if !ok {
		return nil, nil, unregistered("orchestrator", work.Instance.Name, w.Orchestrators())
	}
	if p := w.place(work.Instance.Number); p != nil {
		if !p.mu.TryLock() {
			return nil, nil, errRunning
		}
		if s := p.session.Load(); s != nil && s.ExecutionID() == work.Instance.ExecutionID && s.Turns() == work.PastTurns {
			defer w.release(p)
			return s.Awaits(ctx, work)
		}
		w.release(p)
	}
	return w.rebuild(ctx, w.newSession(fn, work.Instance), work)
}

// rebuild asks a new session what its code waits for, and drops it. Code that
// does not come back is left behind.
func (w *Worker) rebuild(ctx context.Context, s *replay.Session, work history.Work) ([]history.Await, []history.Kept, error) {
	type answer struct {
		awaits []history.Await
		kept   []history.Kept
		err    error
	}
	answered := make(chan answer, 1)
	u := w.begin(s)
	go func() { // waited for below, and by Close; ends with the user's code
		awaits, kept, err := s.Awaits(ctx, work)
		answered <- answer{awaits, kept, err}
		s.Unload(func() { w.end(u) })
	}()
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case a := <-answered:
		return a.awaits, a.kept, a.err
	case <-ctx.Done():
		s.Leave()
		return nil, nil, context.Cause(ctx)
	case <-timer.C:
		s.Leave()
		return nil, nil, errors.New("its code does not come back when it is run from its history")
	}
}

// Grace is how long code may take that is waited for although nobody needs what
// it leads to: deferred functions, and code that is rebuilt for those who look
// on.
const Grace = 2 * time.Second

func (w *Worker) newSession(fn *registry.Function[registry.Orchestrator], instance history.Instance) *replay.Session {
	return replay.New(fn.Do.Run, replay.Config{
		Instance:         instance,
		AwaitOutstanding: fn.Do.AwaitOutstanding,
		Park:             !w.functions.FailMisfits,
		MaxActions:       w.options.MaxActions,
		Logger:           w.options.Logger,
		Stacks:           &w.stacks,
	})
}

func ended(o history.Outcome) bool {
	return len(o.Actions) > 0 && o.Actions[len(o.Actions)-1].Kind == history.CompleteExecution
}

func unregistered(kind, name string, known []string) error {
	list := "none"
	if len(known) > 0 {
		list = strings.Join(known, ", ")
	}
	return fmt.Errorf("%s %q: %w; known here: %s", kind, name, history.ErrUnregistered, list)
}

// Forget drops the session of an instance, if there is one: it will be rebuilt
// from its history. It waits for no code. Deferred functions of the user run on
// in the background, and the next turn of the instance waits for them for
// [Grace]; a turn that runs is the last one of its session.
func (w *Worker) Forget(number history.Number) {
	if p := w.place(number); p != nil {
		w.forget(p)
	}
}

func (w *Worker) forget(p *place) {
	w.remove(p)
	if p.mu.TryLock() { // else whoever has it sees that it was vacated
		w.release(p)
	}
}

// Leave implements [engine.Observer].
func (w *Worker) Leave(number history.Number) {
	if p := w.place(number); p != nil {
		w.leave(p)
	}
}

func (w *Worker) leave(p *place) {
	p.left.Store(true)
	if s := p.session.Load(); s != nil {
		s.Leave()
	}
	w.forget(p) // the turn may have come back just now
}

// place returns where the session of an instance is kept, nil if there is none.
func (w *Worker) place(number history.Number) *place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[number]
}

// Close drops all sessions. It returns when no orchestrator runs; code that
// does not come back within [Grace] from when it was dropped is left behind,
// see [Worker.Unwinding]. Later turns fail with [ErrClosed].
func (w *Worker) Close() {
	w.mu.Lock()
	w.closed = true
	places := slices.Collect(maps.Values(w.places))
	w.mu.Unlock()
	for _, p := range places {
		w.leave(p)
	}
	for _, u := range w.underWay() {
		ctx, cancel := context.WithDeadline(context.Background(), u.since.Add(Grace))
		u.wait(ctx)
		cancel()
	}
	w.stacks.Close()
}

// underWay lists the code that is being unloaded.
func (w *Worker) underWay() []*unwinding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.unwinding), func(a, b *unwinding) int { return cmp.Compare(a.number, b.number) })
}

// occupy returns the instance's place, locked.
func (w *Worker) occupy(ctx context.Context, number history.Number) (*place, error) {
	for {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return nil, ErrClosed
		}
		p := w.places[number]
		isNew := p == nil
		if isNew {
			p = &place{number: number}
			w.places[number] = p
		}
		mayUnwind := isNew && len(w.unwinding) > 0
		w.mu.Unlock()
		p.mu.Lock()
		if !p.vacated.Load() {
			if mayUnwind {
				w.unwound(ctx, number)
			}
			return p, nil
		}
		w.release(p) // forgotten while we waited: there is a new place, or none
	}
}

// release unlocks p, which is emptied if it was vacated meanwhile.
func (w *Worker) release(p *place) {
	if p.vacated.Load() {
		w.unload(p)
	}
	p.mu.Unlock()
	if p.vacated.Load() && p.session.Load() != nil && p.mu.TryLock() { // vacated in between
		w.unload(p)
		p.mu.Unlock()
	}
}

// remove takes p out of the worker's places.
func (w *Worker) remove(p *place) {
	if p.vacated.Swap(true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.places, p.number)
}

// unload empties p, which the caller has locked. It reports whether there was
// code to unload.
func (w *Worker) unload(p *place) bool {
	s := p.session.Swap(nil)
	if s == nil {
		return false
	}
	if !s.Loaded() {
		return false
	}
	u := w.begin(s)
	s.Unload(func() { w.end(u) })
	return true
}

// begin notes that code of s runs without a turn; end must follow.
func (w *Worker) begin(s *replay.Session) *unwinding {
	in := s.Instance()
	u := &unwinding{number: in.Number, instance: in.ID, function: in.Name, since: time.Now(), at: s.Location(), done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unwinding[u] = true
	return u
}

func (w *Worker) end(u *unwinding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.unwinding, u)
	close(u.done)
}

// unwound waits, for [Grace] at most, until no deferred functions of an
// instance run.
func (w *Worker) unwound(ctx context.Context, number history.Number) {
	ctx, cancel := context.WithTimeout(ctx, Grace)
	defer cancel()
	for _, u := range w.underWay() {
		if u.number == number {
			u.wait(ctx)
		}
	}
}

// wait waits until the functions have run, or ctx ends.
func (u *unwinding) wait(ctx context.Context) {
	select {
	case <-u.done:
	case <-ctx.Done():
	}
}

// Unwinding implements [engine.Observer].
func (w *Worker) Unwinding() []engine.Unwinding {
	var list []engine.Unwinding
	for _, u := range w.underWay() {
		list = append(list, engine.Unwinding{Instance: u.instance, Function: u.function, Since: u.since, Place: u.at.In})
	}
	return list
}

// Unwound implements [engine.Observer].
func (w *Worker) Unwound(ctx context.Context) {
	for _, u := range w.underWay() {
		u.wait(ctx)
	}
}

// Place implements [engine.Observer].
func (w *Worker) Place(number history.Number, trace *stacktrace.Trace) string {
	p := w.place(number)
	if p == nil {
		return ""
	}
	s := p.session.Load()
	if s == nil {
		return ""
	}
	return s.Location().In(trace)
}

// RunActivity runs an activity and calls done, once, when it has ended; see
// [Worker.Orchestrate] for the error of an unknown one. If the activity fails
// after ctx has ended, that is not taken for its own failure: the error is then
// the cause of ctx. Nor is it one if the activity says that it stops
// ([history.ErrStopping]). No panic reaches the caller; an activity that exits
// its goroutine exits the caller's.
func (w *Worker) RunActivity(ctx context.Context, t history.Task, done func(json.RawMessage, *history.Failure, error)) {
	fn, ok := w.functions.Activities.Find(t.Name)
	if !ok {
		done(nil, nil, unregistered("activity", t.Name, w.functions.Activities.Names()))
		return
	}
	var payload json.RawMessage
	var failure *history.Failure
	var err error
	returned := false
	defer func() {
		if failure != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			done(nil, nil, fmt.Errorf("activity %s: %w", t.Name, err))
		} else {
			done(payload, failure, nil)
		}
	}()
	defer func() { // nothing stops runtime.Goexit, which t.FailNow calls, for instance
		switch problem := recover(); {
		case problem != nil:
			failure = replay.PanicFailure(problem)
		case !returned:
			failure = &history.Failure{Type: history.FailurePanic, Message: "the activity called runtime.Goexit; return an error instead"}
		}
	}()
	payload, failure, err = fn.Do.Run(ctx, t)
	returned = true
}
