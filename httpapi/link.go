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
