package perdure

import (
	"fmt"
	"time"
)

// EventOption changes how an external event is waited for.
type EventOption func(*eventOptions)

type eventOptions struct {
	timeout    *time.Duration
	fallback   any
	hasDefault bool
}

// WithTimeout ends the wait with a [*TimeoutError] when no event has come after
// d. An event that comes later is for the next wait.
func WithTimeout(d time.Duration) EventOption {
	return func(o *eventOptions) { o.timeout = &d }
}

// WithDefault makes a wait that times out end with v instead of an error. v is
// of the type that is waited for, or nil for its zero value.
func WithDefault(v any) EventOption {
	return func(o *eventOptions) { o.fallback, o.hasDefault = v, true }
}

// WaitForExternalEvent returns the task of the next event of that name, which
// ignores case. Events that came before anyone waited are kept and taken in the
// order in which they came; an event is for one wait only, the newest if there
// are several. A payload that is no T fails this wait with a
// [*ConversionError].
func WaitForExternalEvent[T any](ctx *OrchestrationContext, name string, opts ...EventOption) *Task[T] {
	var o eventOptions
	for _, opt := range opts {
		opt(&o)
	}
	var fallback T
	if o.fallback != nil {
		v, ok := o.fallback.(T)
		if !ok {
			return failed[T](ctx, name, fmt.Errorf("wait for event %s: the default is a %T, not a %T", name, o.fallback, fallback))
		}
		fallback = v
	}
	switch {
	case name == "":
		return failed[T](ctx, name, fmt.Errorf("wait for an event: its name is empty"))
	case o.hasDefault && o.timeout == nil:
		return failed[T](ctx, name, fmt.Errorf("wait for event %s: WithDefault needs WithTimeout", name))
	}
	task := &Task[T]{ctx: ctx.core, core: ctx.core.WaitForEvent(name), from: origin{"event", name}}
	if o.timeout == nil || task.Done() {
		return task
	}

	wait, until := task.core, ctx.Now().Add(*o.timeout)
	timer := ctx.CreateTimerAt(until).core
	ctx.core.SetDeadline(wait, timer, until)
	task.core = ctx.core.NewTask(name)
	ctx.core.OnDone(wait, func() {
		ctx.core.CancelTimer(timer)
		ctx.core.Settle(task.core, wait, nil)
	})
	ctx.core.OnDone(timer, func() {
		switch {
		case timer.Err() != nil: // cancelled: the event was first
			return
		case o.hasDefault:
			task.value = func() (T, error) { return fallback, nil }
			ctx.core.StopWaiting(wait)
			ctx.core.Settle(task.core, nil, nil)
		default:
			ctx.core.StopWaiting(wait)
			ctx.core.Settle(task.core, nil, &TimeoutError{Event: name, After: *o.timeout})
		}
	})
	return task
}

// SendEvent raises an event for another instance. It takes effect at the end of
// the turn, and is lost when there is no such instance then.
func SendEvent(ctx *OrchestrationContext, to InstanceID, name string, payload any) error {
	if name == "" {
		return fmt.Errorf("send an event to instance %s: its name is empty", to)
	}
	if err := to.Validate(); err != nil {
		return fmt.Errorf("send event %s: %w", name, err)
	}
	raw, err := encode(payload)
	if err != nil {
		return fmt.Errorf("send event %s to instance %s: %w", name, to, err)
	}
	return ctx.core.SendEvent(to, name, raw)
}
