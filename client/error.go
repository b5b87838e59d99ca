package client

import (
	"errors"

	"github.com/perdure/perdure/engine"
)

// Errors of a client's operations, to be matched with errors.Is.
var (
	ErrInvalidArgument     = engine.ErrInvalidArgument
	ErrUnknownOrchestrator = engine.ErrUnknownOrchestrator // comes with ErrInvalidArgument
	ErrAlreadyExists       = engine.ErrAlreadyExists
	ErrNotFound            = engine.ErrNotFound
	ErrInvalidState        = engine.ErrInvalidState
	ErrTerminal            = engine.ErrTerminal    // comes with ErrInvalidState
	ErrUnavailable         = engine.ErrUnavailable // what became of the call is unknown

	ErrHubNotFound     = errors.New("task hub not found")
	ErrUnauthenticated = errors.New("key missing or wrong")
)

// Error is what every operation of a [Client] returns when it fails. It unwraps
// to one of the sentinels above, to the context's error, or to whatever else
// went wrong.
type Error struct {
	Op  string // what was asked: "start Hello", "terminate"
	ID  string // instance; empty when none was named
	Err error
}

func (e *Error) Error() string {
	if e.ID == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.ID + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// newError wraps err; nil stays nil.
func newError(op, id string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, ID: id, Err: err}
}
