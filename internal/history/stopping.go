package history

import (
	"context"
	"errors"
)

// ErrStopping is the cause of the end of an activity's context when the app
// stops and its time to finish is over. The activity runs again at the next
// start.
var ErrStopping = errors.New("the app stops")

type stoppingKey struct{}

// WithStopping returns a context of activities that tells, by stopping, that
// the app begins to stop.
func WithStopping(ctx context.Context, stopping <-chan struct{}) context.Context {
	return context.WithValue(ctx, stoppingKey{}, stopping)
}

// Stopping returns what the context of an activity was given by [WithStopping];
// nil if it was given nothing.
func Stopping(ctx context.Context) <-chan struct{} {
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}
