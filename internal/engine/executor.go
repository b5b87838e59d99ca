package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/stacktrace"
)

// Executor runs user code. It never touches the store; what it returns takes
// effect when the engine has committed it. All methods are safe for concurrent
// use, but one instance has one turn at a time.
type Executor interface {
	// Orchestrators returns the names of the orchestrators that can run here;
	// nil when unknown. A start of another name is refused.
	Orchestrators() []string

	// Orchestrate runs one turn. A failure of user code is an outcome, not an
	// error; an error means that nothing can be said about the turn, which will
	// come again: [history.ErrUnregistered], [history.ErrParked], or whatever
	// went wrong.
	Orchestrate(ctx context.Context, w history.Work) (history.Outcome, error)

	// Forget drops what is cached for an instance, if anything: it will be
	// rebuilt from its history. It waits for no code of the instance: what
	// unwinds goes on by itself.
	Forget(number history.Number)

	// RunActivity runs an activity and calls done once, before it returns.
	// Exactly one of the three arguments tells the end: a failure of user code,
	// an error as with Orchestrate, or else the result. ctx ends when the
	// result is no longer wanted, and tells that the engine begins to stop
	// ([history.Stopping]). User code may exit the goroutine
	// ([runtime.Goexit]): done is called all the same.
	RunActivity(ctx context.Context, t history.Task, done func(json.RawMessage, *history.Failure, error))
}

// Inspector is what an [Executor] may be besides: one that can tell what code
// waits for that no history shows.
type Inspector interface {
	// Awaits returns the external events that the code waits for after the past
	// turns of w, and those that are kept though it does not wait for their
	// names, each by name. It changes nothing, and does not wait for a turn
	// that runs. Errors are those of Orchestrate, or that the code runs right
	// now.
	Awaits(ctx context.Context, w history.Work) ([]history.Await, []history.Kept, error)
}

// Observer is what an [Executor] may be besides: one that knows of code that
// does not come back, and can do without it.
type Observer interface {
	// Place returns where the turn of an instance is in the code, as of the
	// trace; empty when that is not known.
	Place(number history.Number, trace *stacktrace.Trace) string
	// Leave is Forget while a turn of the instance runs that does not come
	// back: the turn is left behind. Whatever it does from now on has no
	// effect, and Orchestrate returns an error if ever it comes back.
	Leave(number history.Number)
	// Unwinding lists what runs although its instance has been forgotten:
	// deferred functions.
	Unwinding() []Unwinding
	// Unwound waits until what Unwinding lists now has ended, or ctx ends.
	Unwound(ctx context.Context)
}

// Unwinding is an instance whose deferred functions run.
type Unwinding struct {
	Instance history.InstanceID
	Function string // the orchestrator
	Since    time.Time
	Place    func(*stacktrace.Trace) string // where in the code they are; empty when that is not known
}

// executor is an [Executor] with all that one may be; what it is not, and all
// of it where there is no executor, is done by [noExecutor].
type executor struct {
	Executor
	Inspector
	Observer
	runs bool // false: there is no executor, so nothing may run
}

// newExecutor asks an executor once what else it is, so that nobody has to ask
// again.
func newExecutor(exec Executor) executor {
	c := executor{noExecutor{}, noExecutor{}, noExecutor{}, exec != nil}
	if exec != nil {
		c.Executor = exec
	}
	if inspector, ok := exec.(Inspector); ok {
		c.Inspector = inspector
	}
	if observer, ok := exec.(Observer); ok {
		c.Observer = observer
	}
	return c
}

// noExecutor runs no code and knows of none.
type noExecutor struct{}

func (noExecutor) Orchestrators() []string { return nil }
func (noExecutor) Orchestrate(context.Context, history.Work) (history.Outcome, error) {
	return history.Outcome{}, history.ErrUnregistered
}
func (noExecutor) Forget(history.Number) {}
func (noExecutor) RunActivity(_ context.Context, _ history.Task, done func(json.RawMessage, *history.Failure, error)) {
	done(nil, nil, history.ErrUnregistered)
}
func (noExecutor) Awaits(context.Context, history.Work) ([]history.Await, []history.Kept, error) {
	return nil, nil, nil
}
func (noExecutor) Place(history.Number, *stacktrace.Trace) string { return "" }
func (noExecutor) Leave(history.Number)                           {}
func (noExecutor) Unwinding() []Unwinding                         { return nil }
func (noExecutor) Unwound(context.Context)                        {}
