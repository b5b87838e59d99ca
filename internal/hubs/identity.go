package hubs

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
)

// bySocket is what proves a caller that came through the socket.
const bySocket = "socket"

type socketKey struct{} // its value is the user

// ThroughSocket serves what comes through the socket, whose listener has asked
// the system who is at the other end: this user, or root. The remote address
// names it.
func ThroughSocket(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), socketKey{}, r.RemoteAddr)))
	})
}

// Identify names callers that bring no key.
func Identify(clients []config.TLSClient) func(*http.Request) (httpapi.Identity, bool) {
	return func(r *http.Request) (httpapi.Identity, bool) {
		if r.Context().Value(socketKey{}) != nil {
			return httpapi.Identity{By: bySocket, Name: ByCommandLine, Role: httpapi.RoleOperate}, true
		}
		return holderOf(clients, r.TLS)
	}
}

// fromCommandLine reports whether who calls has come through the socket, or has
// brought the endpoint's key. No key of keys.json can have its name.
func fromCommandLine(ctx context.Context) bool {
	by, name := httpapi.CallerBy(ctx)
	return name == ByCommandLine && (by == bySocket || by == httpapi.ByKey)
}

// byCertificate is what proves a caller whose certificate a client CA has
// signed.
const byCertificate = "certificate"

// holderOf names who showed a certificate, if the settings name it: by a URI
// among its alternative names, or the common name of its subject. Another one
// opens nothing.
func holderOf(clients []config.TLSClient, state *tls.ConnectionState) (httpapi.Identity, bool) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return httpapi.Identity{}, false
	}
	leaf := state.VerifiedChains[0][0]
	names := []string{}
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	for _, name := range append(names, leaf.Subject.CommonName) {
		for _, client := range clients {
			if role, err := httpapi.ParseRole(client.Role); err == nil && name == client.Name {
				return httpapi.Identity{By: byCertificate, Name: name, Role: role}, true
			}
		}
	}
	return httpapi.Identity{}, false
}
