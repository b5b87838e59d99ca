package client

import (
	"context"

	"github.com/perdure/perdure"
)

// Run is an instance of an orchestrator whose result is an Out.
type Run[Out any] struct {
	client *Client
	id     InstanceID
}

// Start starts the orchestrator of a Ref, like [Client.Start], and returns the
// instance with the type of its result:
//
//	run, err := client.Start(ctx, c, Buy, order, client.StartOptions{})
//	receipt, err := run.Wait(ctx)
func Start[In, Out any](ctx context.Context, c *Client, name perdure.OrchestratorRef[In, Out], in In, o StartOptions) (Run[Out], error) {
	id, err := c.Start(ctx, string(name), in, o)
	return Run[Out]{c, id}, err
}

// ID returns the id of the instance.
func (r Run[Out]) ID() InstanceID { return r.id }

// Wait returns the result once the instance has ended, see [Client.Wait]. It is
// an error if that did not complete: see [Result].
func (r Run[Out]) Wait(ctx context.Context) (Out, error) {
	status, err := r.client.Wait(ctx, r.id)
	if err != nil {
		var none Out
		return none, err
	}
	return Result[Out](status)
}
