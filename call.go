package perdure

import "maps"

// ActivityCallOption changes a call of an activity.
type ActivityCallOption interface{ activityCall(*callOptions) }

// ChildOption changes a call of a sub-orchestration.
type ChildOption interface{ child(*callOptions) }

// StartOption changes the start of an instance of its own.
type StartOption interface{ start(*callOptions) }

// CallOption changes a call of an activity or of a sub-orchestration.
type CallOption interface {
	ActivityCallOption
	ChildOption
}

// InstanceOption changes what a call or a start gives its new instance.
type InstanceOption interface {
	ChildOption
	StartOption
}

// AnyOption changes calls and starts alike.
type AnyOption interface {
	CallOption
	StartOption
}

type callOptions struct {
	retry   *RetryPolicy
	id      InstanceID
	version *string
	tags    map[string]string
}

// The kinds of options that there are; each sets what it says.
type (
	callOption     func(*callOptions)
	instanceOption func(*callOptions)
	anyOption      func(*callOptions)
)

func (f callOption) activityCall(o *callOptions) { f(o) }
func (f callOption) child(o *callOptions)        { f(o) }
func (f instanceOption) child(o *callOptions)    { f(o) }
func (f instanceOption) start(o *callOptions)    { f(o) }
func (f anyOption) activityCall(o *callOptions)  { f(o) }
func (f anyOption) child(o *callOptions)         { f(o) }
func (f anyOption) start(o *callOptions)         { f(o) }

// optionsOf applies opts by the way of the kind of call.
func optionsOf[O any](opts []O, apply func(O, *callOptions)) callOptions {
	if len(opts) == 0 {
		return callOptions{} // without a place in the heap
	}
	var o callOptions
	for _, opt := range opts {
		apply(opt, &o)
	}
	return o
}

// WithRetry calls again when the call fails, as the policy says.
func WithRetry(policy RetryPolicy) CallOption {
	return callOption(func(o *callOptions) { o.retry = &policy })
}

// WithInstanceID gives an instance its id. Retries use the same id.
func WithInstanceID(id InstanceID) InstanceOption {
	return instanceOption(func(o *callOptions) { o.id = id })
}

// WithVersion asks for a version of the function.
func WithVersion(version string) AnyOption {
	return anyOption(func(o *callOptions) { o.version = &version })
}

// WithTags gives an instance tags, in addition to those of who starts it.
func WithTags(tags map[string]string) InstanceOption {
	return instanceOption(func(o *callOptions) { o.tags = maps.Clone(tags) })
}
