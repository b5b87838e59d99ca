package engine

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/perdure/perdure/history"
)

// Errors of the engine's operations, to be matched with errors.Is. Their texts name the
// instance or the argument (spec/client-api.md 6).
var (
	ErrInvalidArgument     = errors.New("invalid argument")
	ErrUnknownOrchestrator = errors.New("unknown orchestrator")    // comes with ErrInvalidArgument
	ErrAlreadyExists       = errors.New("instance already exists") // the id is held by an instance that may not be replaced
	ErrNotFound            = errors.New("instance not found")
	ErrInvalidState        = errors.New("not possible in this state")
	ErrTerminal            = errors.New("instance has ended")   // comes with ErrInvalidState
	ErrUnavailable         = errors.New("hub is not available") // not started, shutting down, or its store fails; what became of the call is unknown
)

// Reuse says what a start does when its instance id exists already
// (spec/client-api.md 3.1).
type Reuse int8

const (
	RefuseIfActive Reuse = iota // replace an instance that has ended; refuse otherwise
	RefuseIfExists              // refuse
	ReplaceAny                  // replace in any state: a live instance ends at once
	ReturnExisting              // succeed with the one that is there
)

// StartRequest asks for a new instance.
type StartRequest struct {
	Name        string             // orchestrator; required
	ID          history.InstanceID // empty: a random one
	Input       json.RawMessage    // valid JSON; nil is null
	Version     string
	Tags        map[string]string
	ScheduledAt time.Time // not before; zero: now
	Reuse       Reuse
}

// RaiseRequest asks to hand an external event to an instance.
type RaiseRequest struct {
	Name    string          // required; matched ignoring case
	Payload json.RawMessage // valid JSON; nil is null
	Key     string          // idempotency key: the instance takes an event of a key once; empty: always
}

// StatusOptions says which parts of a [Status] to read. What is left out is nil.
type StatusOptions struct {
	Payloads bool // Input, Output and Failure
	History  bool // History
}

// Status is what is durably known of an instance.
type Status struct {
	history.Instance                  // UpdatedAt is the time of the newest turn
	Input            json.RawMessage  // of the current execution; nil is null
	Output           json.RawMessage  // Completed: the result; Failed: Failure as a string; Terminated, Suspended: the reason
	Failure          *history.Failure // Failed only
	History          []history.Event  // of the current execution, with the turns' frames; nil while Pending
}
