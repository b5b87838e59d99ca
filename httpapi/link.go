package httpapi

import (
	"net/http"

	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/links"
)

// checkStatus is the 202 that tells a caller where to look.
func checkStatus(r *request, id history.InstanceID) response {
	l := links.Scoped(r.origin()+BasePath, r.taskHub, r.connection, string(id), func(op links.Operation) string {
		return r.handler.LinkCode(r.taskHub, id, op)
	})
	return response{code: http.StatusAccepted, location: l.StatusQueryGetURI, retryAfter: 10, body: l.JSON()}
}

// binding is ours: the object that clients in other languages are made of
// (spec/http-api.md 7). It holds the first key, so no link opens it.
func binding(r *request) (response, error) {
	code := ""
	if h := r.handler; !h.open() && h.Links.Scope != ScopeNone {
		code = h.Keys[0].Value
	}
	b := links.ClientBinding(r.origin()+BasePath, r.taskHub, r.connection, code, r.handler.RPCBaseURL)
	return response{code: http.StatusOK, body: b.JSON()}, nil
}
