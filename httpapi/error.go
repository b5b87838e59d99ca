package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/perdure/perdure/engine"
)

// ErrHubNotFound: the request names a task hub that this server does not have.
var ErrHubNotFound = errors.New("task hub not found")

// problem is an error of the request itself.
type problem struct {
	code int
	kind string
	text string
}

func (p *problem) Error() string { return p.text }

func invalid(format string, args ...any) error {
	return &problem{http.StatusBadRequest, "InvalidArgument", fmt.Sprintf(format, args...)}
}

// errorCodes gives the status of every error an operation can end with, the
// first match counts. Those without a body are so by contract
// (spec/http-api.md 2.2).
var errorCodes = []struct {
	err  error
	code int
	kind string // field Code, by which our client tells them apart
	bare bool   // no body
}{
	{engine.ErrUnknownOrchestrator, http.StatusBadRequest, "UnknownOrchestrator", false},
	{engine.ErrInvalidArgument, http.StatusBadRequest, "InvalidArgument", false},
	{engine.ErrAlreadyExists, http.StatusConflict, "AlreadyExists", false},
	{engine.ErrNotFound, http.StatusNotFound, "NotFound", true},
	{engine.ErrTerminal, http.StatusGone, "Terminal", true},
	{engine.ErrInvalidState, http.StatusConflict, "InvalidState", false},
	{ErrHubNotFound, http.StatusNotFound, "HubNotFound", false},
	{engine.ErrNoSpace, http.StatusInsufficientStorage, "NoSpace", false}, // comes with ErrUnavailable
	{engine.ErrUnavailable, http.StatusServiceUnavailable, "Unavailable", false},
	{context.Canceled, http.StatusServiceUnavailable, "Unavailable", false},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "Unavailable", false},
}

func errorResponse(err error) response {
	var p *problem
	if errors.As(err, &p) {
		return response{code: p.code, body: errorBody(p.kind, p.text)}
	}
	for _, row := range errorCodes {
		switch {
		case !errors.Is(err, row.err):
		case row.bare:
			return response{code: row.code}
		default:
			return response{code: row.code, body: errorBody(row.kind, err.Error())}
		}
	}
	return response{code: http.StatusInternalServerError, body: errorBody("Internal", err.Error())}
}

// errorBody is form EB1 without a stack trace: callers look into Message and
// ExceptionMessage, so both are always filled.
func errorBody(kind, text string) []byte {
	var o object
	return o.str("Message", text).str("ExceptionMessage", text).str("ExceptionType", kind).raw("StackTrace", nil).str("Code", kind).json()
}
