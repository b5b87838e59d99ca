package httpapi

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/links"
)

// Key opens the API. Its name says in logs who came with it.
type Key struct {
	Name  string // empty: "key"
	Value string
	Role  Role // 0: RoleOperate
}

// Identity is who a caller is, by what it brought.
type Identity struct {
	Name string // stands in logs; required
	Role Role   // 0: RoleOperate
}

// Links say what the links that the API hands out let their holders do, when a
// key is needed. The zero value is compatible: they hold the first key.
type Links struct {
	Scope    LinkScope
	Lifetime time.Duration // of links with [ScopeInstance]; 0: they do not expire
	Secret   []byte        // signs those links; empty: the first key's value, which keeps them valid as long as that key
}

// LinkScope is what a link opens.
type LinkScope string

// The scopes of links.
const (
	ScopeHub      LinkScope = "hub"      // everything: it holds the first key. "" means the same
	ScopeInstance LinkScope = "instance" // one operation on one instance
	ScopeNone     LinkScope = "none"     // nothing: its user must bring a key
)

// What [Caller] returns besides the names of keys.
const (
	CallerLink      = "link"      // came with a link of [ScopeInstance]
	CallerAnonymous = "anonymous" // no key is needed
)

type callerKey struct{}

// Caller tells a [Hub] who called, from the context that the API passes: the
// name of a key or an [Identity], [CallerLink] or [CallerAnonymous]. It is "" for the
// context of anything else.
func Caller(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.Name
}

// caller is who sent a request. The zero value is nobody.
type caller struct {
	Identity
	key string // the value that it brought; "": it is known by something else
}

// find returns who sent a request for route, which is nil when there is no such
// route. A link opens what the caller may not have done without it.
func (h *Handler) find(r *request, to *route) caller {
	code := r.query.last("code")
	c, known := h.holder(cmp.Or(r.Header.Get("x-functions-key"), code))
	if !known && h.Identify != nil {
		if id, ok := h.Identify(r.Request); ok {
			c, known = caller{Identity: Identity{id.Name, cmp.Or(id.Role, RoleOperate)}}, true
		}
	}
	switch {
	case known && c.Role >= to.least():
		return c
	case !known && (h.open() || h.LocalRPC):
		return caller{Identity: Identity{CallerAnonymous, RoleOperate}}
	case to != nil && to.link != "" && h.Links.Scope == ScopeInstance && h.opens(code, r.hubName(), r.id(), to.link):
		return caller{Identity: Identity{CallerLink, to.role}}
	}
	return c
}

// holder returns who holds a key of that value. It takes the same time whichever key
// it is, wherever it differs and however long it is.
func (h *Handler) holder(value string) (c caller, known bool) {
	given := sha256.Sum256([]byte(value))
	for _, key := range h.Keys {
		want := sha256.Sum256([]byte(key.Value))
		if subtle.ConstantTimeCompare(want[:], given[:]) == 1 {
			c, known = caller{Identity{key.Name, key.Role}, key.Value}, true
		}
	}
	return c, known
}

// least is the least role that the route is open to. What is no route of ours, such as
// the app's own functions, may do anything.
func (t *route) least() Role {
	if t == nil {
		return RoleOperate
	}
	return t.role
}

// open reports whether requests need no key.
func (h *Handler) open() bool { return h.Open || len(h.Keys) == 0 }

// LinkCode is what a link to one operation on one instance holds as code; ""
// when it holds none.
func (h *Handler) LinkCode(taskHub string, id history.InstanceID, op links.Operation) string {
	switch {
	case h.open() || h.Links.Scope == ScopeNone:
		return ""
	case h.Links.Scope == ScopeInstance:
		return h.sign(taskHub, id, op)
	}
	return h.Keys[0].Value
}

// A capability is the code of a link that opens one operation on one instance.
// What it is for is not in it but in the request, and signed:
//
//	base64url( version(u8) | expires(unix s, i64; 0: never) | hmac-sha256 )
const (
	capabilityVersion = 1
	capabilityHead    = 1 + 8
)

func (h *Handler) sign(taskHub string, id history.InstanceID, op links.Operation) string {
	head := make([]byte, capabilityHead)
	head[0] = capabilityVersion
	if h.Links.Lifetime > 0 {
		binary.BigEndian.PutUint64(head[1:], uint64(time.Now().Add(h.Links.Lifetime).Unix()))
	}
	return base64.RawURLEncoding.EncodeToString(h.seal(head, taskHub, id, op))
}

// opens reports whether code is a capability for this operation that has not
// expired.
func (h *Handler) opens(code, taskHub string, id history.InstanceID, op links.Operation) bool {
	given, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || len(given) != capabilityHead+sha256.Size || given[0] != capabilityVersion {
		return false
	}
	if !hmac.Equal(given, h.seal(given[:capabilityHead:capabilityHead], taskHub, id, op)) {
		return false
	}
	expires := int64(binary.BigEndian.Uint64(given[1:]))
	return expires == 0 || time.Now().Unix() < expires
}

// seal appends the signature to head. Neither hub nor operation can hold a zero
// byte, so no two requests are signed alike.
func (h *Handler) seal(head []byte, taskHub string, id history.InstanceID, op links.Operation) []byte {
	secret := h.Links.Secret
	if len(secret) == 0 {
		secret = []byte(h.Keys[0].Value)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(head)
	mac.Write([]byte(strings.ToLower(taskHub) + "\x00" + string(op) + "\x00" + string(id)))
	return mac.Sum(head)
}
