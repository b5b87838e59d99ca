package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/links"
	"github.com/perdure/perdure/internal/wire"
)

// ManagementLinks are the addresses at which one instance can be managed over
// HTTP, under the JSON names that every client knows. Its methods fill in names
// of events and reasons.
type ManagementLinks = links.Links

// LinkOperation is what a link allows.
type LinkOperation = links.Operation

// LinkOptions say what links look like. The zero value makes them relative to
// the host's origin.
type LinkOptions struct {
	Base       string // public address of the API; empty: /runtime/webhooks/durabletask
	TaskHub    string // empty: the host's own
	Connection string // empty: Storage
	Key        string // put into the links as code; empty: none
	// Codes, if any, returns the codes of the links of an instance, for each
	// operation, instead of Key. ctx is that of the request that they are made
	// for, if there is one.
	Codes func(ctx context.Context, id InstanceID) func(LinkOperation) string
	// Fixed makes links that are built for a request begin with Base too, not
	// with the address that the request came to.
	Fixed bool
	// Forwarded believes X-Forwarded-Proto and X-Forwarded-Host of requests
	// when both are there and make an origin, and X-Forwarded-Prefix, which
	// stands before the API's path, besides. Only for hosts behind a proxy that
	// sets them.
	Forwarded bool
}

// WithLinks returns a client of the same hub whose links are built that way.
// Nothing is asked of anyone.
func (c *Client) WithLinks(o LinkOptions) *Client { return &Client{hub: c.hub, links: o} }

// Links returns the links of an instance, whether it exists or not.
func (c *Client) Links(id InstanceID) ManagementLinks {
	return c.links.build(context.Background(), "", "", id)
}

// LinksFor is [Client.Links] for the answer to a request: links begin with the
// scheme and host by which the caller has reached this process, and open no
// more than the caller brought. r may be nil.
func (c *Client) LinksFor(r *http.Request, id InstanceID) ManagementLinks {
	if r == nil {
		return c.Links(id)
	}
	origin, prefix := c.links.origin(r)
	return c.links.build(r.Context(), origin, prefix, id)
}

// origin is where r came to, empty when that does not matter, and the path
// before the API's, if a proxy says it.
func (o *LinkOptions) origin(r *http.Request) (origin, prefix string) {
	if o.Forwarded {
		if origin, prefix, ok := wire.Forwarded(r.Header); ok {
			return origin, prefix
		}
	}
	switch {
	case o.Fixed:
		return "", ""
	case r.TLS != nil:
		return "https://" + r.Host, ""
	}
	return "http://" + r.Host, ""
}

func (o *LinkOptions) build(ctx context.Context, origin, prefix string, id InstanceID) ManagementLinks {
	base, connection := o.Base, o.Connection
	if base == "" {
		base = wire.BasePath
	}
	if connection == "" {
		connection = "Storage"
	}
	if u, err := url.Parse(base); err == nil && origin != "" {
		path := u.EscapedPath()
		if prefix != "" {
			path = prefix + wire.BasePath
		}
		base = origin + path
	}
	code := func(LinkOperation) string { return o.Key }
	if o.Codes != nil {
		code = o.Codes(ctx, id)
	}
	return links.Scoped(base, o.TaskHub, connection, string(id), code)
}

// CheckStatusOptions vary a check-status response.
type CheckStatusOptions struct {
	FailAs500 bool // the status link answers 500 once the instance has failed
}

// WriteCheckStatus answers r with 202 and the links of an instance, so that the
// caller can look for its end. r may be nil. Nothing is looked up. The error is
// the connection's.
func (c *Client) WriteCheckStatus(w http.ResponseWriter, r *http.Request, id InstanceID, o CheckStatusOptions) error {
	l := c.LinksFor(r, id)
	if o.FailAs500 {
		l.StatusQueryGetURI += "&returnInternalServerErrorOnFailure=true"
	}
	w.Header().Set("Location", l.StatusQueryGetURI)
	w.Header().Set("Retry-After", "10")
	return writeJSON(w, http.StatusAccepted, l.JSON())
}

// WaitOptions vary [Client.WaitOrCheckStatus].
type WaitOptions struct {
	Timeout time.Duration // 0: 10 s
	// Poll is how often others look for the end: it must not be longer than
	// Timeout. Clients are told of the end and do not poll. 0: 1 s.
	Poll      time.Duration
	FailAs500 bool // a Failed instance is 500
}

// WaitOrCheckStatus answers r with the outcome of an instance if it ends in
// time, and else as [Client.WriteCheckStatus] does:
//
//	Completed             200, the bare output
//	Failed                200 or 500, the status
//	Terminated, Canceled  200, the status
//	not ended in time     202, the links
//	missing               404
//
// With an error nothing has been written unless it is the connection's. Errors:
// [ErrInvalidArgument] and those of [Client.Wait].
func (c *Client) WaitOrCheckStatus(w http.ResponseWriter, r *http.Request, id InstanceID, o WaitOptions) error {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Poll > o.Timeout {
		err := fmt.Errorf("%w: polling every %v is longer than the timeout of %v", ErrInvalidArgument, o.Poll, o.Timeout)
		return c.fail(r.Context(), "wait", id, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), o.Timeout)
	defer cancel()
	st, err := c.Wait(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
		return nil
	case errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil:
		return c.WriteCheckStatus(w, r, id, CheckStatusOptions{FailAs500: o.FailAs500})
	case err != nil:
		return err
	}
	return writeOutcome(w, st, o.FailAs500)
}

func writeOutcome(w http.ResponseWriter, st *Status, failAs500 bool) error {
	if st.RuntimeStatus == history.Completed {
		if len(st.Output) == 0 {
			return writeJSON(w, http.StatusOK, []byte("null"))
		}
		return writeJSON(w, http.StatusOK, st.Output)
	}
	body, err := json.Marshal(st)
	if err != nil {
		return err
	}
	code := http.StatusOK
	if st.RuntimeStatus == history.Failed && failAs500 {
		code = http.StatusInternalServerError
	}
	return writeJSON(w, code, body)
}

func writeJSON(w http.ResponseWriter, code int, body []byte) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, err := w.Write(body)
	return err
}
