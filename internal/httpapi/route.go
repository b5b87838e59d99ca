package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/links"
)

// route is one line of the table. In a pattern {x} takes any segment, {x?} may
// be missing at the end, and words match in any letter case.
type route struct {
	method  string // "": any
	pattern string
	serve   func(*request) (response, error)
	role    Role            // the least that it is open to
	link    links.Operation // whose link opens the route too; "": none
	errors  []errorRow      // where the contract departs from [wire.Codes]
	needs   string          // a time that must be there and readable; else 400 and a JSON string
	lenient []string        // of its parameters: what is wrong with them is as if they were absent, though it changes something

	bodiless bool // a body is refused: what it says, such as dryRun, would be dropped

	// The rest documents the route, see [describe]; but a parameter that is not
	// here does not exist.
	name    string
	summary string
	params  [][]param
	body    string // "": it is not looked at
	answers []answer
}

// param is a parameter in the query, or a header.
type param struct {
	name string
	kind kind
	text string
	ours bool // an addition: strict even where the contract is lenient, see [route.check]
	link bool // a link may have it too: it shows and does no more than the link's operation
}

// kind says what a parameter looks like.
type kind int

const (
	text kind = iota
	flag
	seconds
	number
	instant
	statuses // of them, with commas or repeated
	reuse
	document // JSON
	prose    // what people write: see [unescapeProse]
	header
)

// answer is one of a route's answers. The errors that every route can have are
// not among them.
type answer struct {
	code int
	text string
	form any // a value of the body's Go type, or a [form]; nil: no body
}

// answer serves a request that was let in.
func (t *route) answer(r *request) (response, error) {
	for i := range r.pairs {
		if p := r.pairs[i].of; p != nil && !p.link && r.caller.By == CallerLink {
			return response{}, refuse(http.StatusForbidden, "parameter %s needs a key: a link does no more than it says", p.name)
		}
	}
	res, err := t.serve(r)
	// A '+' in a path is a plus, but links made by others have it for a blank:
	// when there is no such instance, the id is tried that way. A link of ours
	// opens the id that it was made for, and no other.
	if id, ok := r.params[formID]; ok && errors.Is(err, hub.ErrNotFound) && r.caller.By != CallerLink {
		r.params["id"] = id
		res, err = t.serve(r)
	}
	for _, row := range t.errors {
		if errors.Is(err, row.err) {
			return answerError(err, row.code, row.kind, row.form), nil
		}
	}
	return res, err
}

// formID is the parameter that holds the id as forms encode it, with '+' for a
// blank, if the path has a '+' there. %2B is a plus, whoever writes it.
const formID = "id of a form"

// findRoute matches an escaped path below the base. Slashes around it do not
// count; it is split before it is decoded, once.
func findRoute(method, path string) (to *route, params map[string]string) {
	escaped := strings.Split(strings.Trim(path, "/"), "/")
	segments := slices.Clone(escaped)
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" {
			return nil, nil
		}
		segments[i] = decoded
	}
	for i := range routes {
		to := &routes[i]
		if params, ok := to.match(segments); ok && (to.method == method || to.method == "") {
			if at := slices.Index(strings.Split(to.pattern, "/"), "{id}"); at > 0 && strings.Contains(escaped[at], "+") {
				params[formID], _ = url.QueryUnescape(escaped[at]) // it has been decoded
			}
			return to, params
		}
	}
	return nil, nil
}

func (t *route) match(segments []string) (map[string]string, bool) {
	pattern := strings.Split(t.pattern, "/")
	if len(segments) > len(pattern) {
		return nil, false
	}
	params := map[string]string{}
	for i, word := range pattern {
		name, isParam := strings.CutPrefix(word, "{")
		name, optional := strings.CutSuffix(strings.TrimSuffix(name, "}"), "?")
		switch {
		case i >= len(segments):
			if !optional {
				return nil, false
			}
		case isParam:
			params[name] = segments[i]
		case !strings.EqualFold(word, segments[i]):
			return nil, false
		}
	}
	return params, true
}
