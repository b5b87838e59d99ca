package client

import (
	"context"
	"errors"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// Errors of a client's operations, to be matched with errors.Is.
var (
	ErrInvalidArgument     = hub.ErrInvalidArgument
	ErrUnknownOrchestrator = hub.ErrUnknownOrchestrator // comes with ErrInvalidArgument
	ErrAlreadyExists       = hub.ErrAlreadyExists
	ErrNotFound            = hub.ErrNotFound
	ErrInvalidState        = hub.ErrInvalidState
	ErrTerminal            = hub.ErrTerminal    // comes with ErrInvalidState
	ErrUnsupported         = hub.ErrUnsupported // by what serves the hub
	ErrUnavailable         = hub.ErrUnavailable // what became of the call is unknown
	// ErrResourceExhausted: the hub has more work at hand than it may have.
	// Nothing was stored, and the same call may succeed in a moment.
	ErrResourceExhausted = hub.ErrResourceExhausted

	ErrHubNotFound     = wire.ErrHubNotFound
	ErrUnauthenticated = errors.New("key missing or wrong")
)

// Error is what every operation of a [Client] returns when it fails. It unwraps
// to one of the sentinels above, to the context's error, or to whatever else
// went wrong.
type Error struct {
	Op string     // what was asked: "start Hello", "terminate"
	ID InstanceID // instance; empty when none was named
	// Status is where the instance stood right after it was in the way of the
	// call: with ErrInvalidState and ErrAlreadyExists. Else it is [Unknown].
	Status RuntimeStatus
	Err    error
}

func (e *Error) Error() string {
	if e.ID == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + string(e.ID) + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// fail wraps err; nil stays nil.
func (c *Client) fail(ctx context.Context, op string, id InstanceID, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, ID: id, Status: history.Unknown, Err: err}
	if state, ok := errors.AsType[*hub.StateError](err); ok {
		e.Status = state.Status
	} else if id != "" && (errors.Is(err, ErrInvalidState) || errors.Is(err, ErrAlreadyExists)) {
		// A host of another make does not tell.
		if st, err := c.hub.Status(ctx, id, hub.StatusOptions{}); err == nil {
			e.Status = st.Status
		}
	}
	return e
}
