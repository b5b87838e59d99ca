package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/links"
)

// Links say what the links that the API hands out let their holders do, when a
// key is needed. The zero value is compatible: they hold the key that the
// caller brought.
type Links struct {
	Scope    LinkScope
	Lifetime time.Duration // of links with [ScopeInstance]; 0: they do not expire
	Secret   []byte        // signs those links; required for them
}

// LinkScope is what a link opens.
type LinkScope string

// The scopes of links.
const (
	ScopeHub      LinkScope = "hub"      // what its maker's key opens: it holds that key. "" means the same
	ScopeInstance LinkScope = "instance" // one operation on one instance
	ScopeNone     LinkScope = "none"     // nothing: its user must bring a key
)

// checkStatus is the 202 that tells a caller where to look.
func checkStatus(r *request, id history.InstanceID) response {
	code := r.handler.codes(r.Context(), r.hub, r.taskHub, id)
	l := links.Scoped(r.origin()+BasePath, r.taskHub, r.connection, string(id), code)
	return response{code: http.StatusAccepted, location: l.StatusQueryGetURI, retryAfter: 10, body: l.JSON()}
}

// binding is ours: the object that clients in other languages are made of
// (docs/contracts/http-api.md 7). It holds the key that the caller brought.
func binding(r *request) (response, error) {
	code := r.caller.key
	if h := r.handler; h.open() || h.Links.Scope == ScopeNone {
		code = ""
	}
	b := links.ClientBinding(r.origin()+BasePath, r.taskHub, r.connection, code, r.handler.RPCBaseURL)
	return response{code: http.StatusOK, body: b.JSON()}, nil
}

// LinkCodes returns what links to an instance of the app's own hub hold as
// code, for each operation: "" for none. ctx is that of the request that they
// are made for, or of the program itself, which signs links but has no key to
// put into them.
func (h *Handler) LinkCodes(ctx context.Context, id history.InstanceID) func(links.Operation) string {
	return h.codes(ctx, h.Hub, h.TaskHub, id)
}

// codes is LinkCodes for any hub. No link opens more than its maker brought:
// who came by a link or with nothing makes links without a code.
func (h *Handler) codes(ctx context.Context, of Hub, taskHub string, id history.InstanceID) func(links.Operation) string {
	c, called := ctx.Value(callerKey{}).(caller)
	code := ""
	switch {
	case h.open() || h.Links.Scope == ScopeNone:
	case h.Links.Scope != ScopeInstance:
		code = c.key
	case called && (c.Role < RoleOperate || c.By == CallerAnonymous || c.By == CallerLink):
	default:
		if st, err := of.Status(ctx, id, hub.StatusOptions{}); err == nil { // else there is nothing to open
			return func(op links.Operation) string { return h.sign(c.key, taskHub, id, st.Number, op) }
		}
	}
	return func(links.Operation) string { return code }
}

// A capability is the code of a link that opens one operation on one instance
// until it ends, its maker's key is taken away, or the instance is purged or
// replaced. Hub, id and operation are not in it but in the request, and signed:
//
//	base64url( version(u8) | expires(unix s, i64; 0: never) | number(u64) | hmac-sha256 )
//
// number is the instance's, which stays when it continues as new.
const (
	capabilityVersion = 2
	capabilityHead    = 1 + 8 + 8
)

// capabilityText is strict, so that each capability has one text. It passes
// over line feeds even so: see opens.
var capabilityText = base64.RawURLEncoding.Strict()

func (h *Handler) sign(key, taskHub string, id history.InstanceID, number history.Number, op links.Operation) string {
	head := make([]byte, 1, capabilityHead)
	head[0] = capabilityVersion
	expires := int64(0)
	if h.Links.Lifetime > 0 {
		expires = time.Now().Add(h.Links.Lifetime).Unix()
	}
	head = binary.BigEndian.AppendUint64(head, uint64(expires))
	head = binary.BigEndian.AppendUint64(head, uint64(number))
	return capabilityText.EncodeToString(seal(h.signer(key), head, taskHub, id, op))
}

// opens reports whether code is a capability for this operation that has not
// expired, and the number of the instance that it was made for.
func (h *Handler) opens(code, taskHub string, id history.InstanceID, op links.Operation) (made history.Number, ok bool) {
	given, err := capabilityText.DecodeString(code)
	if err != nil || strings.ContainsAny(code, "\r\n") || len(given) != capabilityHead+sha256.Size || given[0] != capabilityVersion {
		return 0, false
	}
	head := given[:capabilityHead:capabilityHead]
	signed := hmac.Equal(given, seal(h.signer(""), head, taskHub, id, op))
	for _, key := range h.keys() { // all of them, so that the time tells nothing
		if key.Role == 0 || key.Role == RoleOperate {
			signed = hmac.Equal(given, seal(h.signer(key.Value), head, taskHub, id, op)) || signed
		}
	}
	expires := int64(binary.BigEndian.Uint64(head[1:]))
	if !signed || expires != 0 && time.Now().Unix() >= expires {
		return 0, false
	}
	return history.Number(binary.BigEndian.Uint64(head[9:])), true
}

// signer is what signs the links that holders of a key make, so that they end
// with it; "": those of the program and of who has no key. Nobody can sign who
// knows a key alone.
func (h *Handler) signer(key string) []byte {
	if key == "" {
		return h.Links.Secret
	}
	mac := hmac.New(sha256.New, h.Links.Secret)
	mac.Write([]byte(key))
	return mac.Sum(nil)
}

// seal appends the signature to head. Neither hub nor operation can hold a zero
// byte, so no two requests are signed alike.
func seal(secret, head []byte, taskHub string, id history.InstanceID, op links.Operation) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(head)
	mac.Write([]byte(strings.ToLower(taskHub) + "\x00" + string(op) + "\x00" + string(id)))
	return mac.Sum(head)
}
