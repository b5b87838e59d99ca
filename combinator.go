package perdure

import (
	"errors"
	"fmt"
)

// WhenAll returns a task that ends when all tasks have. It leads to their
// results in the order of the arguments; if some failed, to the error of the one
// that failed first.
func WhenAll[T any](ctx *OrchestrationContext, tasks ...*Task[T]) *Task[[]T] {
	all := &Task[[]T]{ctx: ctx.core, core: ctx.core.NewTask("WhenAll")}
	results := make([]T, len(tasks))
	all.value = func() ([]T, error) { return results, nil }
	for i, t := range tasks {
		if t == nil {
			return failed[[]T](ctx, "WhenAll", fmt.Errorf("WhenAll: task %d is nil", i))
		}
	}
	open, failedAt := len(tasks), -1
	var failure error
	var failures []error
	if open == 0 {
		ctx.core.Settle(all.core, nil, nil)
	}
	for i, t := range tasks {
		ctx.core.OnDone(t.core, func() {
			result, err := t.result()
			results[i] = result
			if order := t.core.Order(); err != nil && (failure == nil || order < failedAt) {
				failure, failedAt = err, order
			}
			failures = append(failures, err)
			if open--; open == 0 {
				ctx.core.Settle(all.core, nil, together(failure, failures))
			}
		})
	}
	return all
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
// well or not, as history has it. The others go on.
func WhenAny(ctx *OrchestrationContext, tasks ...Awaitable) *Task[int] {
	if len(tasks) == 0 {
		return failed[int](ctx, "WhenAny", fmt.Errorf("WhenAny: there is no task to wait for"))
	}
	for i, t := range tasks {
		if t == nil || t.task() == nil {
			return failed[int](ctx, "WhenAny", fmt.Errorf("WhenAny: task %d is nil", i))
		}
	}
	winner := -1
	first := ctx.core.NewTask("WhenAny")
	decide := func(i int) func() {
		return func() {
			if winner < 0 {
				winner = i
				ctx.core.Settle(first, nil, nil)
			}
		}
	}
	if i, ok := earliest(ctx, tasks); ok {
		decide(i)()
	} else {
		for i, t := range tasks {
			ctx.core.OnDone(t.task(), decide(i))
		}
	}
	return &Task[int]{ctx: ctx.core, core: first, value: func() (int, error) { return winner, nil }}
}

// earliest returns the index of the task that ended first, if any has.
func earliest(ctx *OrchestrationContext, tasks []Awaitable) (index int, ok bool) {
	for i, t := range tasks {
		if ctx.core.Done(t.task()) && (!ok || t.task().Order() < tasks[index].task().Order()) {
			index, ok = i, true
		}
	}
	return index, ok
}
