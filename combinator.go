package perdure

import (
	"errors"
	"fmt"
	"slices"

	"github.com/perdure/perdure/internal/replay"
)

// WhenAll returns a task that ends when all tasks can. It leads to their
// results in the order of the arguments; if some failed, to the error of the
// one that failed first. Waits for events among them take theirs all at once,
// each one of its own, and none before.
func WhenAll[T any](ctx *OrchestrationContext, tasks ...*Task[T]) *Task[[]T] {
	members := make([]*replay.Task, len(tasks))
	for i, t := range tasks {
		if t == nil {
			return failed[[]T](ctx, "WhenAll", fmt.Errorf("WhenAll: task %d is nil", i))
		}
		members[i] = t.core
	}
	unread := slices.Clone(tasks) // the caller's slice may change
	results := make([]T, len(tasks))
	var err error
	return &Task[[]T]{ctx: ctx.core, core: ctx.core.All(members), value: func() ([]T, error) {
		if unread != nil {
			err = collect(results, unread)
			unread = nil
		}
		return results, err
	}}
}

// collect fills results with what tasks that have ended led to. If some failed,
// it returns the error of the one that failed first.
func collect[T any](results []T, tasks []*Task[T]) error {
	var failure error
	var failures []error
	failedAt := 0
	for i, t := range tasks {
		result, err := t.result()
		results[i] = result
		if err == nil {
			continue
		}
		if place := t.core.Place(); failure == nil || place < failedAt {
			failure, failedAt = err, place
		}
		failures = append(failures, err)
	}
	return together(failure, failures)
}

// together returns first, which remembers the tasks behind all failures: a
// rewind makes all these calls again.
func together(first error, failures []error) error {
	task, ok := first.(*TaskFailedError)
	if !ok {
		return first
	}
	all := *task
	all.also = causes(errors.Join(failures...))
	return &all
}

// WhenAny returns a task that leads to the index of the first of tasks to end,
// well or not, as history has it; the first argument wins if one event could
// end several. The others go on; waits for events among them have taken
// nothing. A call costs as much as it has arguments.
func WhenAny(ctx *OrchestrationContext, tasks ...Awaitable) *Task[int] {
	if len(tasks) == 0 {
		return failed[int](ctx, "WhenAny", fmt.Errorf("WhenAny: there is no task to wait for"))
	}
	members := make([]*replay.Task, len(tasks))
	for i, t := range tasks {
		if t != nil {
			members[i] = t.task()
		}
		if members[i] == nil {
			return failed[int](ctx, "WhenAny", fmt.Errorf("WhenAny: task %d is nil", i))
		}
	}
	first := ctx.core.Any(members)
	return &Task[int]{ctx: ctx.core, core: first, value: func() (int, error) { return first.Winner(), nil }}
}
