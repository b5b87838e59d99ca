package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/perdure/perdure/client"
)

// usageError is a command line that asks for something impossible.
type usageError struct {
	err    error
	syntax bool // it cannot even be read: the original answers with its help
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage reports an option whose value makes no sense.
func usage(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// syntax reports a command line that cannot be read.
func syntax(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), syntax: true}
}

// isSyntax reports whether err is one of [syntax].
func isSyntax(err error) bool {
	u, ok := errors.AsType[*usageError](err)
	return ok && u.syntax
}

// errTimedOut is the end of a wait for an instance, which itself goes on.
var errTimedOut = errors.New("timed out")

// errIdle is a wait for what cannot happen, since no app runs.
var errIdle = errors.New("it goes on once the app runs")

// errUnknown is a wait for an instance whose orchestrator the running app does
// not have, or not as it was.
var errUnknown = errors.New("the app that runs cannot go on with it")

// errEndedBadly is an instance that ended in another way than was waited for.
var errEndedBadly = errors.New("did not complete")

// exitCodes gives the code of each kind of failure and its name in JSON, the
// first match counts (docs/contracts/cli.md 8). Everything else is 1.
var exitCodes = []struct {
	err  error
	code int
	name string
}{
	{errTimedOut, 124, "TimedOut"},
	{errIdle, 124, "NoApp"},
	{errUnknown, 124, "NoApp"},
	{errEndedBadly, 1, "NotCompleted"},
	{errDisagrees, 6, "Disagreement"},
	{client.ErrHubNotFound, 3, "HubNotFound"},
	{client.ErrNotFound, 3, "NotFound"},
	{client.ErrAlreadyExists, 4, "AlreadyExists"},
	{client.ErrInvalidState, 4, "InvalidState"},
	{client.ErrUnknownOrchestrator, 2, "UnknownOrchestrator"},
	{client.ErrInvalidArgument, 2, "InvalidArgument"},
	{client.ErrResourceExhausted, 5, "ResourceExhausted"},
	{client.ErrUnavailable, 5, "Unavailable"},
	{client.ErrUnauthenticated, 5, "Unauthenticated"},
	{context.DeadlineExceeded, 5, "Unavailable"},
	{context.Canceled, 130, "Interrupted"},
}

func classify(err error) (code int, name string) {
	if _, ok := errors.AsType[*usageError](err); ok {
		return 2, "Usage"
	}
	for _, row := range exitCodes {
		if errors.Is(err, row.err) {
			return row.code, row.name
		}
	}
	return 1, "Failure"
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	code, _ := classify(err)
	return code
}

// missing says that there is no such instance in the words that scripts know.
type missing struct {
	id  string
	err error
}

func (m *missing) Error() string {
	return fmt.Sprintf("Could not find an orchestration instance with id '%s'", m.id)
}

func (m *missing) Unwrap() error { return m.err }

// named gives an error about instance id the words that scripts know.
func named(id string, err error) error {
	if errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrHubNotFound) {
		return &missing{id, err}
	}
	return err
}

// printError tells what went wrong, as JSON when results are.
func (t *tool) printError(err error) {
	code, name := classify(err)
	if t.looksOn && name == "Interrupted" {
		return
	}
	var hint string
	if code == 2 {
		hint = "see perdure --help"
		if t.name != "" {
			hint = "see perdure " + t.name + " --help"
		}
	}
	if !strings.HasPrefix(t.output, "json") {
		if hint != "" {
			hint = " (" + hint + ")"
		}
		fmt.Fprintf(t.stderr, "%v%s\n", err, hint)
		return
	}
	enc := json.NewEncoder(t.stderr)
	enc.SetEscapeHTML(false)
	enc.Encode(map[string]any{"error": map[string]string{"code": name, "message": err.Error(), "hint": hint}})
}
