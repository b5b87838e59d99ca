package host

import (
	"context"
	"net/http"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
)

// bySocket is what proves a caller that came through the socket.
const bySocket = "socket"

type socketKey struct{} // its value is the user

// throughSocket serves what comes through the socket, whose listener has asked the
// system who is at the other end: this user, or root. The remote address names it.
func throughSocket(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), socketKey{}, r.RemoteAddr)))
	})
}

// identify names callers that bring no key.
func identify(clients []config.TLSClient) func(*http.Request) (httpapi.Identity, bool) {
	return func(r *http.Request) (httpapi.Identity, bool) {
		if r.Context().Value(socketKey{}) != nil {
			return httpapi.Identity{By: bySocket, Name: byCommandLine, Role: httpapi.RoleOperate}, true
		}
		return holderOf(clients, r.TLS)
	}
}

// fromCommandLine reports whether who calls has come through the socket, or has brought
// the endpoint's key. No key of keys.json can have its name.
func fromCommandLine(ctx context.Context) bool {
	by, name := httpapi.CallerBy(ctx)
	return name == byCommandLine && (by == bySocket || by == httpapi.ByKey)
}
