// Package worker runs the functions of an App in this process. It is what an
// engine calls an executor.
//
// Orchestrators stay in memory between their turns, as sessions; one that does
// not fit the turn asked for is rebuilt from its history. Which sessions are
// worth their memory is for the engine to say (see [Worker.Forget]).
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/registry"
	"github.com/perdure/perdure/internal/replay"
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

	mu     sync.Mutex // guards places and closed; never held while user code runs
	places map[history.Number]*place
	closed bool
}

// place is where the session of an instance is kept.
type place struct {
	mu      sync.Mutex // held while code of the instance may run; guards the rest
	session *replay.Session
	vacated bool // no longer among the worker's places
}

// New returns a worker for app. It reports the mistakes made in registering
// app's functions.
func New(app *perdure.App, options Options) (*Worker, error) {
	if err := app.Validate(); err != nil {
		return nil, err
	}
	functions := app.Functions()
	return &Worker{functions: functions, names: functions.Orchestrators.Names(), options: options, places: make(map[history.Number]*place)}, nil
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
	p, err := w.occupy(work.Instance.Number)
	if err != nil {
		return history.Outcome{}, err
	}
	defer p.mu.Unlock()
	if s := p.session; s == nil || s.ExecutionID() != work.Instance.ExecutionID || s.Turns() != work.PastTurns {
		p.vacate()
		p.session = w.newSession(fn, work.Instance)
	}
	outcome, err := p.session.Run(ctx, work)
	if err != nil || ended(outcome) {
		p.vacate()
		w.remove(work.Instance.Number, p)
	}
	return outcome, err
}

// errRunning answers those who look on while the code runs.
var errRunning = errors.New("its code runs right now")

// Awaits returns the external events that an instance's code waits for, and those
// that are kept though it does not, from its session or else from one that is built
// for the purpose and dropped. It
// neither waits for a turn nor keeps one waiting for longer than it reads.
func (w *Worker) Awaits(ctx context.Context, work history.Work) ([]history.Await, []history.Kept, error) {
	fn, ok := w.functions.Orchestrators.Find(work.Instance.Name)
	if !ok {
		return nil, nil, unregistered("orchestrator", work.Instance.Name, w.Orchestrators())
	}
	w.mu.Lock()
	p := w.places[work.Instance.Number]
	w.mu.Unlock()
	if p != nil {
		if !p.mu.TryLock() {
			return nil, nil, errRunning
		}
		if s := p.session; s != nil && s.ExecutionID() == work.Instance.ExecutionID && s.Turns() == work.PastTurns {
			defer p.mu.Unlock()
			return s.Awaits(ctx, work)
		}
		p.mu.Unlock()
	}
	s := w.newSession(fn, work.Instance)
	defer s.Stop()
	return s.Awaits(ctx, work)
}

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
// from its history. It returns when no code of the instance runs.
func (w *Worker) Forget(number history.Number) {
	w.mu.Lock()
	p := w.places[number]
	w.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vacate()
	w.remove(number, p)
}

// Close drops all sessions. It returns when no orchestrator runs; later turns
// fail with [ErrClosed].
func (w *Worker) Close() {
	w.mu.Lock()
	w.closed = true
	numbers := make([]history.Number, 0, len(w.places))
	for number := range w.places {
		numbers = append(numbers, number)
	}
	w.mu.Unlock()
	for _, number := range numbers {
		w.Forget(number)
	}
	w.stacks.Close()
}

// occupy returns the instance's place, locked.
func (w *Worker) occupy(number history.Number) (*place, error) {
	for {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return nil, ErrClosed
		}
		p := w.places[number]
		if p == nil {
			p = &place{}
			w.places[number] = p
		}
		w.mu.Unlock()
		p.mu.Lock()
		if !p.vacated {
			return p, nil
		}
		p.mu.Unlock() // forgotten while we waited; there is a new place, or none
	}
}

// remove takes p, which the caller has locked, out of the worker's places.
func (w *Worker) remove(number history.Number, p *place) {
	if p.vacated {
		return
	}
	p.vacated = true
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.places, number)
}

// vacate stops the session, if there is one.
func (p *place) vacate() {
	if p.session != nil {
		p.session.Stop()
		p.session = nil
	}
}

// RunActivity runs an activity and calls done, once, when it has ended; see
// [Worker.Orchestrate] for the error of an unknown one. If the activity fails after
// ctx has ended, that is not taken for its own failure: the error is then the
// cause of ctx. No panic reaches the caller; an activity that exits its goroutine exits
// the caller's.
func (w *Worker) RunActivity(ctx context.Context, t history.Task, done func(json.RawMessage, *history.Failure, error)) {
	fn, ok := w.functions.Activities.Find(t.Name)
	if !ok {
		done(nil, nil, unregistered("activity", t.Name, w.functions.Activities.Names()))
		return
	}
	var payload json.RawMessage
	var failure *history.Failure
	returned := false
	defer func() {
		if failure != nil && ctx.Err() != nil {
			done(nil, nil, fmt.Errorf("activity %s: %w", t.Name, context.Cause(ctx)))
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
	payload, failure = fn.Do.Run(ctx, t)
	returned = true
}
