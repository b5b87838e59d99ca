package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"

	"github.com/perdure/perdure/internal/wire"
)

// response is an answer; an empty body has no content type.
type response struct {
	code       int
	state      string // of [wire.StateHeader]; empty: no instance was in the way
	mark       string // of [wire.Mark]; empty: [wire.Served]
	location   string
	retryAfter int     // seconds; 0: none
	next       *string // continuation token, also when it is empty; nil: not a list
	body       []byte
	// parts are the body where it may be large, each made when it is written.
	// nil: body is all. An error ends them.
	parts iter.Seq2[[]byte, error]
	held  int // bytes of what the parts are made from
}

// bytes is what the answer takes of the gate until it is sent.
func (r response) bytes() int64 { return beyondFree(int64(len(r.body) + r.held)) }

// write sends the answer. An error means that not all of it was sent: the
// caller must be cut off then, or it could take what there is for the whole.
func (r response) write(w http.ResponseWriter) error {
	header := w.Header()
	header.Set(wire.Mark, cmp.Or(r.mark, wire.Served))
	if r.state != "" {
		header.Set(wire.StateHeader, r.state)
	}
	if r.location != "" {
		header.Set("Location", r.location)
	}
	if r.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	if r.next != nil {
		header.Set(wire.TokenHeader, *r.next)
	}
	if r.parts == nil {
		header.Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	header.Set("Cache-Control", "no-store")
	if len(r.body) > 0 || r.parts != nil {
		header.Set("Content-Type", "application/json; charset=utf-8")
		header.Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(r.code)
	body := newPacedWriter(w)
	if r.parts == nil {
		body.Write(r.body) // its length is told: nobody takes less for all
		return nil
	}
	for part, err := range r.parts {
		if err != nil {
			return fmt.Errorf("make the answer: %w", err)
		}
		if _, err := body.Write(part); err != nil {
			return fmt.Errorf("%w: %w", errCallerGone, err)
		}
	}
	return nil
}

var errCallerGone = errors.New("the caller is gone")

// array makes an array of items.
func array(items iter.Seq[[]byte]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		separator := []byte{'['}
		for item := range items {
			if !yield(separator, nil) || !yield(item, nil) {
				return
			}
			separator = []byte{','}
		}
		if separator[0] == '[' && !yield(separator, nil) {
			return
		}
		yield([]byte{']'}, nil)
	}
}

// jsonResponse answers with a value as JSON that leaves <, > and & as they are.
// A value that has no such form, which is a mistake of ours, is an error and no
// panic: it must not cut the caller off.
func jsonResponse(value any) (response, error) {
	body, err := wire.Encode(value)
	if err != nil {
		return response{}, fmt.Errorf("encode %T: %w", value, err)
	}
	return response{code: http.StatusOK, body: body}, nil
}
