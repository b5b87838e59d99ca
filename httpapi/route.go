package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/perdure/perdure/engine"
)

// route is one line of the table. In a pattern {x} takes any segment, {x?} may
// be missing at the end, and words match in any letter case.
type route struct {
	method  string
	pattern string
	serve   func(*request) (response, error)
}

// routes are those of spec/http-api.md 1.2, in the order of matching. What is
// not here is 404, never 405.
var routes = []route{
	{http.MethodPost, "orchestrators/{name}/{id?}", start},
	{http.MethodGet, "instances/{id}", byID(status)},
	{http.MethodPost, "instances/{id}/raiseEvent/{event}", byID(raise)},
	{http.MethodPost, "instances/{id}/terminate", byID(terminate)},
	{http.MethodPost, "instances/{id}/suspend", byID(suspend)},
	{http.MethodPost, "instances/{id}/resume", byID(resume)},
}

// findRoute matches an escaped path below the base. Slashes around it do not
// count; it is split before it is decoded, once.
func findRoute(method, path string) (serve func(*request) (response, error), params map[string]string, ok bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" {
			return nil, nil, false
		}
		segments[i] = decoded
	}
	for _, r := range routes {
		if params, ok := r.match(segments); ok && r.method == method {
			return r.serve, params, true
		}
	}
	return nil, nil, false
}

func (r route) match(segments []string) (map[string]string, bool) {
	pattern := strings.Split(r.pattern, "/")
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

// byID serves a route with an instance id. A '+' in a path is a plus, but links
// made by others have it for a blank: when there is no such instance, the id is
// tried that way (spec/http-api.md 1.3).
func byID(serve func(*request) (response, error)) func(*request) (response, error) {
	return func(r *request) (response, error) {
		res, err := serve(r)
		if id := r.params["id"]; errors.Is(err, engine.ErrNotFound) && strings.Contains(id, "+") {
			r.params["id"] = strings.ReplaceAll(id, "+", " ")
			return serve(r)
		}
		return res, err
	}
}
