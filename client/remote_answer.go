package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// errUnserved: a host of ours has nothing at the path.
var errUnserved = errors.New("nothing is served there")

// refused is an error answer. It matches every sentinel in kinds.
type refused struct {
	text  string
	kinds []error
	final bool // it is no use to ask again soon: something else is at the address
}

func (e *refused) Error() string   { return e.text }
func (e *refused) Unwrap() []error { return e.kinds }

func final(err error) bool {
	r, ok := errors.AsType[*refused](err)
	return ok && r.final
}

// kinds by status, for answers without a Code (docs/contracts/client-api.md 6).
var kindsByStatus = map[int][]error{
	http.StatusBadRequest:            {ErrInvalidArgument},
	http.StatusUnauthorized:          {ErrUnauthenticated},
	http.StatusForbidden:             {ErrUnauthenticated},
	http.StatusNotFound:              {ErrNotFound},
	http.StatusConflict:              {ErrInvalidState},
	http.StatusGone:                  {ErrInvalidState, ErrTerminal},
	http.StatusPreconditionFailed:    {ErrInvalidState},
	http.StatusRequestEntityTooLarge: {ErrInvalidArgument},
	http.StatusRequestURITooLong:     {ErrInvalidArgument},
	http.StatusTooManyRequests:       {ErrResourceExhausted},
	http.StatusNotImplemented:        {ErrUnsupported},
	http.StatusServiceUnavailable:    {ErrUnavailable},
	http.StatusBadGateway:            {ErrUnavailable},
	http.StatusGatewayTimeout:        {ErrUnavailable},
	http.StatusInsufficientStorage:   {ErrUnavailable},
}

// problem is an error body: an object, or with some refusals a bare string
// (docs/contracts/http-api.md 2.2).
type problem struct{ Message, ExceptionMessage, ExceptionType, Code string }

// readProblem reads an error body; ok is false for one that the contract does
// not have there, such as a proxy's. Letter case counts: many say "message".
func readProblem(c call, body []byte) (p problem, ok bool) {
	if c.method == http.MethodDelete || c.path[len(c.path)-1] == "rewind" {
		if json.Unmarshal(body, &p.Message) == nil && p.Message != "" {
			return p, true
		}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return problem{}, false
	}
	for name, value := range map[string]*string{
		"Message": &p.Message, "ExceptionMessage": &p.ExceptionMessage, "ExceptionType": &p.ExceptionType, "Code": &p.Code,
	} {
		json.Unmarshal(members[name], value) // what is no text is as if it was missing
	}
	return p, p.Message != "" || p.ExceptionMessage != ""
}

// refusal reads an answer that is not one of c.ok.
func (r *remote) refusal(ctx context.Context, c call, a answer) error {
	p, formed := readProblem(c, a.body)
	switch missing := a.code == http.StatusNotFound || a.code == http.StatusGone; {
	case a.code < 400:
		return r.strange(a, nil)
	case a.header.Get(wire.Mark) == wire.Unserved:
		return &refused{final: true, kinds: []error{ErrUnavailable, errUnserved},
			text: fmt.Sprintf("%v: there is nothing at %s: the address is wrong, or the host older than this client", ErrUnavailable, a.from)}
	case a.ours() || p.Code == "HubNotFound": // of an earlier build, which does not mark it
	case missing && (formed || len(a.body) == 0) && r.keepsContract(ctx): // other programs have such answers too
	case missing || !formed:
		return r.strange(a, nil)
	}
	kinds := wire.Kinds(p.Code)
	if kinds == nil {
		kinds = foreignKinds(c, a.code, p)
	}
	text := cmp.Or(p.ExceptionMessage, p.Message)
	if text == "" && len(kinds) > 0 {
		text = kinds[len(kinds)-1].Error()
	}
	if text == "" {
		text = fmt.Sprintf("the host at %s answered %s", r.origin, statusLine(a.code))
	}
	e := &refused{text: text, kinds: kinds}
	if status, err := history.ParseStatus(a.header.Get(wire.StateHeader)); err == nil {
		return &hub.StateError{Status: status, Err: e}
	}
	return e
}

// strange is an answer that no host gives: something else is at the address, or
// stands in between. why may be nil.
func (r *remote) strange(a answer, why error) error {
	text := a.from + " answered " + statusLine(a.code)
	if media := a.header.Get("Content-Type"); media != "" {
		text += " (" + media + ")"
	}
	e := &refused{kinds: []error{ErrUnavailable}, final: a.code < 500}
	switch target, err := url.Parse(a.header.Get("Location")); {
	case a.code == http.StatusUnauthorized:
		e.kinds = []error{ErrUnauthenticated}
	case a.code == http.StatusTooManyRequests:
		e.kinds = []error{ErrResourceExhausted}
	case a.code >= 300 && a.code < 400 && err == nil && target.Host != "":
		e.text = fmt.Sprintf("%v: the host at %s redirects to %s://%s, which is not followed: give the address of the host itself",
			ErrUnavailable, r.origin, cmp.Or(target.Scheme, "http"), target.Host)
		return e
	}
	e.text = fmt.Sprintf("%v: %s, which is no answer of a Perdure host", e.kinds[0], text)
	if why != nil {
		e.text += ": " + why.Error()
	}
	return e
}

func statusLine(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// keepsContract asks what an answer without a body and without our mark is
// worth: a host of another make answers a list at this address, and has no mark
// there either. With one, something in between has answered for a host of ours.
func (r *remote) keepsContract(ctx context.Context) bool {
	var row json.RawMessage
	c := call{method: http.MethodGet, path: []string{"instances"}, query: url.Values{"top": {"1"}}, ok: done, large: true,
		item: func(d *json.Decoder) error { return d.Decode(&row) }}
	address, err := r.address(c)
	if err != nil {
		return false
	}
	a, err := r.exchange(ctx, c, address)
	_, tokened := a.header[http.CanonicalHeaderKey(wire.TokenHeader)]
	return err == nil && a.code == http.StatusOK && !a.ours() && tokened
}

// foreignKinds reads the status of hosts that send no Code. Those of the second
// generation answer 500 where the newer ones have codes of their own
// (docs/contracts/http-api.md 4.1).
func foreignKinds(c call, status int, p problem) []error {
	word := c.path[len(c.path)-1]
	starts := c.path[0] == "orchestrators" || c.path[0] == "import" || word == "restart"
	switch {
	case starts && (status == http.StatusConflict || status == http.StatusInternalServerError && strings.Contains(p.ExceptionMessage, "already exists")):
		return []error{ErrAlreadyExists}
	case status == http.StatusInternalServerError && strings.Contains(p.ExceptionType, "InvalidOperationException"):
		return []error{ErrInvalidState}
	}
	return kindsByStatus[status]
}
