package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/perdure/perdure/client"
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitCodes gives the code of each kind of failure and its name in JSON, the
// first match counts (spec/cli.md 8). Everything else is 1.
var exitCodes = []struct {
	err  error
	code int
	name string
}{
	{client.ErrHubNotFound, 3, "HubNotFound"},
	{client.ErrNotFound, 3, "NotFound"},
	{client.ErrAlreadyExists, 4, "AlreadyExists"},
	{client.ErrInvalidState, 4, "InvalidState"},
	{client.ErrUnknownOrchestrator, 2, "UnknownOrchestrator"},
	{client.ErrInvalidArgument, 2, "InvalidArgument"},
	{client.ErrUnavailable, 5, "Unavailable"},
	{client.ErrUnauthenticated, 5, "Unauthenticated"},
	{context.DeadlineExceeded, 5, "Unavailable"},
	{context.Canceled, 130, "Interrupted"},
}

func classify(err error) (code int, name string) {
	var u *usageError
	if errors.As(err, &u) {
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

// printError tells what went wrong, as JSON when results are.
func (t *tool) printError(err error) {
	code, name := classify(err)
	var hint string
	if code == 2 {
		hint = "see perdure --help"
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
