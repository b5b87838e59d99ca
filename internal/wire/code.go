package wire

import (
	"net/http"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Code is how an error is answered.
type Code struct {
	Kinds  []error // that it matches, the one that tells it from the others last
	Status int     // of HTTP
	Name   string  // field Code of the body
	Empty  bool    // callers of others expect no body (docs/contracts/http-api.md 2.2)
}

// Codes has every error that an operation can end with; the first match counts.
var Codes = []Code{
	{Kinds: []error{hub.ErrInvalidArgument, hub.ErrUnknownOrchestrator}, Status: http.StatusBadRequest, Name: "UnknownOrchestrator"},
	{Kinds: []error{hub.ErrInvalidArgument}, Status: http.StatusBadRequest, Name: "InvalidArgument"},
	{Kinds: []error{hub.ErrAlreadyExists}, Status: http.StatusConflict, Name: "AlreadyExists"},
	{Kinds: []error{hub.ErrNotFound}, Status: http.StatusNotFound, Name: "NotFound", Empty: true},
	{Kinds: []error{hub.ErrInvalidState, hub.ErrTerminal}, Status: http.StatusGone, Name: "Terminal", Empty: true},
	{Kinds: []error{hub.ErrInvalidState}, Status: http.StatusConflict, Name: "InvalidState"},
	{Kinds: []error{hub.ErrUnsupported}, Status: http.StatusNotImplemented, Name: "Unsupported"},
	{Kinds: []error{ErrHubNotFound}, Status: http.StatusNotFound, Name: "HubNotFound"},
	{Kinds: []error{hub.ErrResourceExhausted}, Status: http.StatusTooManyRequests, Name: "ResourceExhausted"},
	{Kinds: []error{hub.ErrUnavailable, history.ErrNoSpace}, Status: http.StatusInsufficientStorage, Name: "NoSpace"},
	{Kinds: []error{hub.ErrUnavailable}, Status: http.StatusServiceUnavailable, Name: Unavailable},
}

// Unavailable is the code of what may go better in a moment.
const Unavailable = "Unavailable"

// Kinds returns the errors that the code of that name stands for; nil for none.
func Kinds(name string) []error {
	for _, c := range Codes {
		if c.Name == name {
			return c.Kinds
		}
	}
	return nil
}
