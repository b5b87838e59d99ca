package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/hub"
)

// TerminateOptions are what Terminate can say.
type TerminateOptions struct {
	Reason    string // becomes the instance's output; empty: none
	Output    any    // becomes the instance's output instead of a reason
	Recursive bool   // its children, those that it called in whatever execution, end too, and theirs
	Wait      bool   // return when the instance has ended
}

// Terminate ends an instance. It returns when the request is durable, unless
// told to wait; activities that run already are not stopped, their results are
// ignored.
//
// Errors: [ErrInvalidArgument], [ErrNotFound], [ErrTerminal].
func (c *Client) Terminate(ctx context.Context, id InstanceID, o TerminateOptions) error {
	output, err := o.output()
	if err == nil {
		err = c.hub.Terminate(ctx, id, hub.TerminateRequest{Reason: output, Recursive: o.Recursive})
	}
	if err == nil && o.Wait {
		_, err = c.hub.Wait(ctx, id)
	}
	return c.fail(ctx, "terminate", id, err)
}

func (o *TerminateOptions) output() (json.RawMessage, error) {
	switch {
	case o.Reason == "":
		return encode(o.Output)
	case o.Output != nil:
		return nil, fmt.Errorf("%w: a reason and an output are given, one of them becomes the output", ErrInvalidArgument)
	}
	return encode(o.Reason)
}

// Suspend pauses an instance: events are held until it is resumed.
//
// Errors: [ErrNotFound], [ErrTerminal], [ErrInvalidState] when it is suspended
// already.
func (c *Client) Suspend(ctx context.Context, id InstanceID, reason string) error {
	return c.fail(ctx, "suspend", id, c.hub.Suspend(ctx, id, reason))
}

// Resume lets a suspended instance go on. It may follow a Suspend at once.
//
// Errors: [ErrNotFound], [ErrTerminal], [ErrInvalidState] when it is not
// suspended.
func (c *Client) Resume(ctx context.Context, id InstanceID, reason string) error {
	return c.fail(ctx, "resume", id, c.hub.Resume(ctx, id, reason))
}

// RewindOptions are what a rewind can say.
type RewindOptions struct {
	Reason string // kept in the history
	All    bool   // undo every failure, those that the orchestrator has handled too
}

func (o RewindOptions) request() hub.RewindRequest {
	return hub.RewindRequest{Reason: o.Reason, All: o.All}
}

// RewindPlan tells what a rewind undoes.
type RewindPlan = hub.RewindPlan

// Rewind lets a Failed instance go on from before its failure: what failed is
// done again, what succeeded is not.
//
// Errors: [ErrNotFound], [ErrInvalidState] when it is not Failed or cannot be
// rewound, [ErrUnsupported].
func (c *Client) Rewind(ctx context.Context, id InstanceID, o RewindOptions) error {
	return c.fail(ctx, "rewind", id, c.hub.Rewind(ctx, id, o.request()))
}

// PlanRewind tells what [Client.Rewind] would do now, with the same errors.
func (c *Client) PlanRewind(ctx context.Context, id InstanceID, o RewindOptions) (*RewindPlan, error) {
	plan, err := c.hub.PlanRewind(ctx, id, o.request())
	if err != nil {
		return nil, c.fail(ctx, "plan the rewind of", id, err)
	}
	return &plan, nil
}

// RestartOptions are what a restart can say. The zero value starts an instance
// with a new id.
type RestartOptions struct {
	SameID bool // in place of the old instance, which must have ended
}

// Restart runs an instance anew, with its name, input, version and tags, and
// returns the id of the new run. The old instance may be in any state unless
// its id is used again.
//
// Errors: [ErrNotFound], [ErrAlreadyExists], [ErrResourceExhausted].
func (c *Client) Restart(ctx context.Context, id InstanceID, o RestartOptions) (InstanceID, error) {
	started, err := c.hub.Restart(ctx, id, hub.RestartRequest{SameID: o.SameID})
	if err != nil {
		return "", c.fail(ctx, "restart", id, err)
	}
	return started, nil
}

// Explanation tells why an instance is where it is, and the one action that
// would move it.
type Explanation = hub.Explanation

// Explain looks at what an instance waits for, or how it ended. Errors:
// [ErrNotFound], [ErrUnsupported].
func (c *Client) Explain(ctx context.Context, id InstanceID) (*Explanation, error) {
	explanation, err := c.hub.Explain(ctx, id)
	if err != nil {
		return nil, c.fail(ctx, "explain", id, err)
	}
	advice.Render(&explanation)
	return &explanation, nil
}
