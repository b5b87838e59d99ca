package history

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// The types in this file are how the engine and whatever runs user code talk: a
// worker in this process and a worker behind a wire look the same.

// Errors of whatever runs user code that mean "not now": the engine holds the
// work, says so, and tries again later. It takes any other error the same way.
var (
	// ErrUnregistered: no function of that name is known here.
	ErrUnregistered = errors.New("function is not registered")
	// ErrParked: the code no longer fits the history, and the policy is to wait
	// for code that does.
	ErrParked = errors.New("parked")
)

// Work is one turn to run.
type Work struct {
	Instance Instance // as of the turn's start; Instance.Status is not Suspended unless the turn leaves it so
	Turn     Turn     // what to apply now; only incoming events, ExecutionStarted first in the execution's first turn

	// PastTurns is how many turns of this execution are recorded; a session
	// that has run exactly these may go on from where it is parked.
	PastTurns int
	// Past yields these turns, oldest first, for a session that has to be
	// rebuilt. It may read from disk.
	Past func(ctx context.Context) iter.Seq2[Turn, error]
}

// Outcome is what a turn led to.
type Outcome struct {
	Actions      []Action         // ascending ID; CompleteExecution, if any, is last
	CustomStatus *json.RawMessage // nil: unchanged; pointer to nil: removed
}

// Task is one activity to run.
type Task struct {
	Instance    InstanceID
	ExecutionID ExecutionID
	ID          int32 // sequence id of the TaskScheduled event
	Name        string
	Version     string
	Input       json.RawMessage
	Attempt     int32 // under the caller's retry policy, from 1
	ScheduledAt time.Time
}

// Await is an external event that the code of an orchestrator waits for.
type Await struct {
	Event string
	Since time.Time // of the turn in which the wait was made
	Until time.Time // when the wait ends without it; zero when never
	Timer int32     // sequence id of the timer that ends it; NoID when none
}

// Kept are external events of one name that have come and that the code of an
// orchestrator does not wait for.
type Kept struct {
	Event string // the name as the oldest has it; others may differ in case
	Count int
	Since time.Time // when the oldest came
}
