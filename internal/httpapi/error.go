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

// errorRow says how a route answers an error, where the contract departs from
// [wire.Codes].
type errorRow struct {
	err  error
	code int
	kind string // field Code, by which our client tells them apart
	form errorShape
}

// errorShape is the body of an error (docs/contracts/http-api.md 2.2).
type errorShape int8

const (
	full     errorShape = iota // EB1, see [errorBody]
	none                       // EB0
	bareText                   // EB3, a JSON string
)

// overloadPause is when to try again after 429, in seconds. The engine has let
// the caller wait for a while already, unless too many wait.
const overloadPause = 1

// answerError answers with an error and what tells it from others.
func answerError(err error, status int, kind string, form errorShape) response {
	res := response{code: status}
	if e, ok := errors.AsType[*hub.StateError](err); ok {
		res.state = e.Status.String()
	}
	if status == http.StatusTooManyRequests {
		res.retryAfter = overloadPause
	}
	switch form {
	case full:
		res.body = errorBody(kind, err.Error())
	case bareText:
		res.body = wire.Quote(err.Error())
	}
	return res
}

// noFiles is the answer when the process has no descriptor left, whatever the
// file.
var noFiles = response{
	code: http.StatusServiceUnavailable, retryAfter: overloadPause,
	body: errorBody(wire.Unavailable, "the server has too many files and connections open; try again in a moment"),
}

func errorResponse(err error) response {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return noFiles
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return answerError(err, p.code, "InvalidArgument", p.form)
	}
	for _, c := range wire.Codes {
		if !errors.Is(err, c.Kinds[len(c.Kinds)-1]) {
			continue
		}
		form := full
		if c.Empty {
			form = none
		}
		return answerError(err, c.Status, c.Name, form)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return answerError(err, http.StatusServiceUnavailable, wire.Unavailable, full)
	}
	return answerError(errInternal, http.StatusInternalServerError, "Internal", full)
}

// errInternal stands for errors that say what is inside, such as paths of
// files: they are for the log.
var errInternal = errors.New("something went wrong inside; the log of the app tells what")

// WriteError answers a request with an error of a [Hub] as the API does.
func WriteError(w http.ResponseWriter, err error) { errorResponse(err).write(w) } // which fails with parts only

// errorBody is form EB1 without a stack trace: callers look into Message and
// ExceptionMessage, so both are always filled.
func errorBody(kind, text string) []byte {
	var o wire.Object
	return o.Str("Message", text).Str("ExceptionMessage", text).Str("ExceptionType", kind).Raw("StackTrace", nil).Str("Code", kind).JSON()
}
