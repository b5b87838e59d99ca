package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// ErrHubNotFound: the request names a task hub that this server does not have.
var ErrHubNotFound = wire.ErrHubNotFound

// problem is an error of the request itself.
type problem struct {
	code int
	form errorShape
	text string
}

func (p *problem) Error() string { return p.text }

func refuse(code int, format string, args ...any) error {
	return &problem{code: code, text: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error { return refuse(http.StatusBadRequest, format, args...) }

// errorRow says how an error is answered.
type errorRow struct {
	err  error
	code int
	kind string // field Code, by which our client tells them apart
	form errorShape
}

// errorShape is the body of an error (spec/http-api.md 2.2).
type errorShape int8

const (
	full     errorShape = iota // EB1, see [errorBody]
	none                       // EB0
	bareText                   // EB3, a JSON string
)

// errorCodes gives the status of every error an operation can end with, the
// first match counts.
var errorCodes = []errorRow{
	{hub.ErrUnknownOrchestrator, http.StatusBadRequest, "UnknownOrchestrator", full},
	{hub.ErrInvalidArgument, http.StatusBadRequest, "InvalidArgument", full},
	{hub.ErrAlreadyExists, http.StatusConflict, "AlreadyExists", full},
	{hub.ErrNotFound, http.StatusNotFound, "NotFound", none},
	{hub.ErrTerminal, http.StatusGone, "Terminal", none},
	{hub.ErrInvalidState, http.StatusConflict, "InvalidState", full},
	{hub.ErrUnsupported, http.StatusNotImplemented, "Unsupported", full},
	{ErrHubNotFound, http.StatusNotFound, "HubNotFound", full},
	{hub.ErrResourceExhausted, http.StatusTooManyRequests, "ResourceExhausted", full},
	{hub.ErrNoSpace, http.StatusInsufficientStorage, "NoSpace", full}, // comes with ErrUnavailable
	{hub.ErrUnavailable, http.StatusServiceUnavailable, "Unavailable", full},
	{context.Canceled, http.StatusServiceUnavailable, "Unavailable", full},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "Unavailable", full},
}

// overloadPause is when to try again after 429, in seconds. The engine has let the
// caller wait for a while already, unless too many wait.
const overloadPause = 1

func (row errorRow) response(err error) response {
	res := response{code: row.code}
	if row.code == http.StatusTooManyRequests {
		res.retryAfter = overloadPause
	}
	switch row.form {
	case full:
		res.body = errorBody(row.kind, err.Error())
	case bareText:
		res.body = quote(err.Error())
	}
	return res
}

// noFiles is the answer when the process has no descriptor left, whatever the file.
var noFiles = response{
	code: http.StatusServiceUnavailable, retryAfter: overloadPause,
	body: errorBody("Unavailable", "the server has too many files and connections open; try again in a moment"),
}

func errorResponse(err error) response {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return noFiles
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return errorRow{code: p.code, kind: "InvalidArgument", form: p.form}.response(err)
	}
	for _, row := range errorCodes {
		if errors.Is(err, row.err) {
			return row.response(err)
		}
	}
	return errorRow{code: http.StatusInternalServerError, kind: "Internal"}.response(errInternal)
}

// errInternal stands for errors that say what is inside, such as paths of files: they are
// for the log.
var errInternal = errors.New("something went wrong inside; the log of the app tells what")

// WriteError answers a request with an error of a [Hub] as the API does.
func WriteError(w http.ResponseWriter, err error) { errorResponse(err).write(w) } // which fails with parts only

// errorBody is form EB1 without a stack trace: callers look into Message and
// ExceptionMessage, so both are always filled.
func errorBody(kind, text string) []byte {
	var o object
	return o.str("Message", text).str("ExceptionMessage", text).str("ExceptionType", kind).raw("StackTrace", nil).str("Code", kind).json()
}
