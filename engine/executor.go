package engine

import (
	"context"
	"encoding/json"

	"github.com/perdure/perdure/history"
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
	// rebuilt from its history. It returns when no code of the instance runs.
	Forget(number history.Number)

	// RunActivity runs an activity and calls done once, before it returns. Exactly
	// one of the three arguments tells the end: a failure of user code, an error as
	// with Orchestrate, or else the result. ctx ends when the result is no longer
	// wanted. User code may exit the goroutine ([runtime.Goexit]): done is called all
	// the same.
	RunActivity(ctx context.Context, t history.Task, done func(json.RawMessage, *history.Failure, error))
}

// Inspector is what an [Executor] may be besides: one that can tell what code
// waits for that no history shows.
type Inspector interface {
	// Awaits returns the external events that the code waits for after the past
	// turns of w, and those that are kept though it does not wait for their names,
	// each by name. It changes nothing, and does not wait for a turn that runs.
	// Errors are those of Orchestrate, or that the code runs right now.
	Awaits(ctx context.Context, w history.Work) ([]history.Await, []history.Kept, error)
}
