package hub

import (
	"errors"
	"fmt"

	"github.com/perdure/perdure/internal/history"
)

// Errors of a hub's operations, to be matched with errors.Is. Their texts name
// the instance or the argument (docs/contracts/client-api.md 6).
var (
	ErrInvalidArgument     = errors.New("invalid argument")
	ErrUnknownOrchestrator = errors.New("unknown orchestrator")    // comes with ErrInvalidArgument
	ErrAlreadyExists       = errors.New("instance already exists") // the id is held by an instance that may not be replaced
	ErrNotFound            = errors.New("instance not found")
	ErrInvalidState        = errors.New("not possible in this state")
	ErrTerminal            = errors.New("instance has ended") // comes with ErrInvalidState
	ErrUnsupported         = errors.New("not supported")      // by what serves the hub
	ErrUnavailable         = history.ErrUnavailable           // not started, shutting down, or its store fails; what became of the call is unknown
	// ErrResourceExhausted: more work is at hand than there may be. Nothing was
	// stored, and the same call may succeed in a moment.
	ErrResourceExhausted = errors.New("resource exhausted")
	// ErrNoSpace: the disk of the hub's store is (nearly) full. Nothing was
	// stored; it may succeed once there is space.
	ErrNoSpace = history.ErrNoSpace
)

// StateError is an error about an instance whose status was in the way.
type StateError struct {
	Status history.RuntimeStatus // as it was when the operation was refused
	Err    error
}

func (e *StateError) Error() string { return e.Err.Error() }
func (e *StateError) Unwrap() error { return e.Err }

// InState is fmt.Errorf of an error about an instance that is in the status.
func InState(status history.RuntimeStatus, format string, args ...any) error {
	return &StateError{status, fmt.Errorf(format, args...)}
}
