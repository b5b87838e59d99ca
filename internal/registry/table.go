// Package registry is the table of a program's functions: it finds them by
// their durable name, ignoring case, and by the Go function that a call passes.
//
// Registering never fails at once. What is wrong is noted, with the place of
// the registration, and reported together, so that a program's author sees all
// mistakes in one go.
package registry

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/replay"
)

// Table holds the functions of one program and its policies.
type Table struct {
	Orchestrators Set[Orchestrator]
	Activities    Set[Activity]
	FailMisfits   bool // an instance fails when the code no longer fits its history; otherwise it waits for code that does
}

// Orchestrator is how an orchestrator runs.
type Orchestrator struct {
	Run              replay.Func
	AwaitOutstanding bool
}

// Activity is how an activity runs. An error says that it has no result yet: it
// runs again.
type Activity struct {
	Run func(ctx context.Context, t history.Task) (json.RawMessage, *history.Failure, error)
}

// Of returns the functions of an App of the root package, which sets it: a
// method would show the table to users.
var Of func(app any) *Table

// Problems returns what is wrong with the registrations, nil if nothing is.
func (t *Table) Problems() error {
	return errors.Join(errors.Join(t.Orchestrators.problems...), errors.Join(t.Activities.problems...))
}
