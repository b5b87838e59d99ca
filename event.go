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

// WithTimeout ends the wait with a [*TimeoutError] when no event has come
// before a timer of d fires. The timer is set at the call and cancelled when
// the wait takes an event. An event that comes later is for the next wait.
func WithTimeout(d time.Duration) EventOption {
	return func(o *eventOptions) { o.timeout = &d }
}

// WithDefault makes a wait that times out end with v instead of an error. v is
// of the type that is waited for, or nil for its zero value.
func WithDefault(v any) EventOption {
	return func(o *eventOptions) { o.fallback, o.hasDefault = v, true }
}

// WaitForExternalEvent returns a task that ends with an event of that name,
// which ignores case. Events are queued by name from when they come. The task
// takes the oldest one when the code looks: when it awaits the task, or a
// [WhenAny] that the task wins, or a [WhenAll] that it is in and that can end,
// or asks one of these whether it is [Task.Done]. Until then it takes nothing,
// so a wait that lost a race, or that nobody looks at, costs no event. An event
// is for one wait only. A payload that is no T ends this wait with a
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
	var limit time.Time
	if o.timeout != nil {
		limit = ctx.Now().Add(*o.timeout)
	}
	task := &Task[T]{ctx: ctx.core, core: ctx.core.WaitForEvent(name, limit), from: origin{"event", name}}
	if o.timeout != nil {
		task.value = func() (T, error) {
			switch {
			case !task.core.TimedOut():
				return task.decode()
			case o.hasDefault:
				return fallback, nil
			}
			return fallback, &TimeoutError{Event: name, After: *o.timeout}
		}
	}
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
