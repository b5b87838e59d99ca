package perdure

import (
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/replay"
)

// Task is something that an orchestrator started or waits for. It is for the
// orchestrator's own goroutine only.
type Task[T any] struct {
	ctx   *replay.Context
	core  *replay.Task
	value func() (T, error) // what it led to, once core has ended well; nil: its payload
	from  origin            // of the payload
}

// Awaitable is any [Task], whatever its type.
type Awaitable interface {
	task() *replay.Task
}

func (t *Task[T]) task() *replay.Task {
	if t == nil {
		return nil
	}
	return t.core
}

// Await blocks the orchestrator until the task has ended. The error is a
// [*TaskFailedError] when a function failed, a [*ConversionError] when what
// came back is no T, and otherwise says what went wrong.
func (t *Task[T]) Await() (T, error) {
	if err := t.ctx.Await(t.core); err != nil {
		var zero T
		return zero, err
	}
	return t.result()
}

// Wait is Await for those who do not need the result.
func (t *Task[T]) Wait() error {
	_, err := t.Await()
	return err
}

// Done reports whether the task has ended, well or not. Of a wait for an event
// it takes the event if one is there.
func (t *Task[T]) Done() bool { return t.ctx.Done(t.core) }

// result returns what a task led to that has ended.
func (t *Task[T]) result() (T, error) {
	var out T
	if err := taskError(t.core); err != nil {
		return out, err
	}
	if t.value != nil {
		return t.value()
	}
	return t.decode()
}

// decode returns the payload of a task that has ended well.
func (t *Task[T]) decode() (out T, err error) {
	err = decodeInto(t.core.Payload(), &out, t.from)
	return out, err
}

// taskError returns why a task that has ended did not succeed.
func taskError(t *replay.Task) error {
	if failure := t.Failure(); failure != nil {
		return &TaskFailedError{Name: t.Name, TaskID: t.ID, Failure: *failure}
	}
	return t.Err()
}

func failed[T any](ctx *OrchestrationContext, name string, err error) *Task[T] {
	return &Task[T]{ctx: ctx.core, core: ctx.core.Failed(name, err)}
}

// call makes a task of a call with the argument in, which is tried again as
// retry says. what names the result.
func call[Out any](ctx *OrchestrationContext, what string, a history.Action, in any, retry *RetryPolicy) *Task[Out] {
	var err error
	if a.Payload, err = encode(in); err != nil {
		return failed[Out](ctx, a.Name, err)
	}
	task := &Task[Out]{ctx: ctx.core, from: origin{what, a.Name}}
	if retry == nil {
		task.core = attempt(ctx.core, a, 1)
	} else {
		a := a // it outlives this call
		task.core = retry.run(ctx.core, a.Name, func(n int32) *replay.Task { return attempt(ctx.core, a, n) })
	}
	return task
}

// attempt makes the n-th attempt of a call.
func attempt(core *replay.Context, a history.Action, n int32) *replay.Task {
	a.Attempt = n
	if a.Kind == history.StartSubOrchestration {
		return core.StartSubOrchestration(a)
	}
	return core.ScheduleTask(a)
}
