package perdure

import "maps"

// CallOption changes a call of an activity or a sub-orchestration.
type CallOption func(*callOptions)

type callOptions struct {
	retry   *RetryPolicy
	id      InstanceID
	version *string
	tags    map[string]string
}

func newCallOptions(opts []CallOption) callOptions {
	if len(opts) == 0 {
		return callOptions{} // without a place in the heap
	}
	var o callOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithRetry calls again when the call fails, as the policy says.
func WithRetry(policy RetryPolicy) CallOption {
	return func(o *callOptions) { o.retry = &policy }
}

// WithInstanceID gives a sub-orchestration its id. Retries use the same id.
func WithInstanceID(id InstanceID) CallOption {
	return func(o *callOptions) { o.id = id }
}

// WithVersion asks for a version of the function.
func WithVersion(version string) CallOption {
	return func(o *callOptions) { o.version = &version }
}

// WithTags gives a sub-orchestration tags, in addition to those of its parent.
func WithTags(tags map[string]string) CallOption {
	return func(o *callOptions) { o.tags = maps.Clone(tags) }
}
