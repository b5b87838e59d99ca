package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/perdure/perdure/internal/history"
)

// Key opens the API. Its name says in logs who came with it.
type Key struct {
	Name  string // empty: "key"
	Value string // one that is empty opens nothing
	Role  Role   // 0: RoleOperate
}

// FixedKeys are [Options.Keys] that never change. It panics when one is empty.
func FixedKeys(keys ...Key) func() []Key {
	for _, k := range keys {
		if k.Value == "" {
			panic(fmt.Sprintf("httpapi.FixedKeys: key %q is empty", k.Name))
		}
	}
	return func() []Key { return keys }
}

// Identity is who a caller is, by what it brought.
type Identity struct {
	By   string // what it is that proves it: [ByKey], "certificate" and so on; required
	Name string // stands in logs; required
	Role Role   // 0: RoleOperate
}

// ByKey is what proves who holds a key.
const ByKey = "key"

// What [Caller] returns besides the names of keys and identities.
const (
	CallerLink      = "link"      // came with a link of [ScopeInstance]
	CallerAnonymous = "anonymous" // brought nothing, and need not
)

type callerKey struct{}

// Caller tells a [Hub] who called, from the context that the API passes: the
// name of a key or an [Identity], [CallerLink] or [CallerAnonymous]. It is ""
// for the context of anything else.
func Caller(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.Name
}

// CallerBy is [Caller] and what proves it: names of keys and of other things
// are apart.
func CallerBy(ctx context.Context) (by, name string) {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.By, c.Name
}

// caller is who sent a request. The zero value is nobody.
type caller struct {
	Identity
	key  string         // the value that it brought; "": it is known by something else
	made history.Number // of the instance that its link was made for; 0: it has come by no link
}

// identify returns who sent a request for route, which is nil when there is no
// such route. A link opens what its holder may not do without it.
func (h *Handler) identify(r *request, to *route) caller {
	code := r.query.last("code")
	c, known := h.holder(cmp.Or(r.Header.Get("x-functions-key"), code))
	if !known && h.Identify != nil {
		var id Identity
		id, known = h.Identify(r.Request)
		c.Identity = Identity{id.By, id.Name, cmp.Or(id.Role, RoleOperate)}
	}
	switch {
	case known && c.Role >= to.least():
		return c
	case !known && (h.open() || h.LocalRPC):
		return caller{Identity: Identity{CallerAnonymous, CallerAnonymous, RoleOperate}}
	case to != nil && to.link != "" && h.Links.Scope == ScopeInstance:
		if made, ok := h.opens(code, r.hubName(), r.id(), to.link); ok {
			return caller{Identity: Identity{CallerLink, CallerLink, RoleOperate}, made: made} // on this route
		}
	}
	return c
}

// holder returns who holds a key of that value. It takes the same time
// whichever key it is, wherever it differs and however long it is.
func (h *Handler) holder(value string) (c caller, known bool) {
	if value == "" {
		return c, false
	}
	given := sha256.Sum256([]byte(value))
	for _, key := range h.keys() {
		want := sha256.Sum256([]byte(key.Value))
		if subtle.ConstantTimeCompare(want[:], given[:]) == 1 {
			c, known = caller{Identity: Identity{ByKey, cmp.Or(key.Name, "key"), cmp.Or(key.Role, RoleOperate)}, key: value}, true
		}
	}
	return c, known
}

// keys are those that open the API now.
func (h *Handler) keys() []Key {
	if h.Keys == nil {
		return nil
	}
	return h.Keys()
}

// open reports whether requests need no key.
func (h *Handler) open() bool { return h.Open || h.Keys == nil }

// least is the least role that the route is open to. What is no route of ours,
// such as the app's own functions, may do anything.
func (t *route) least() Role {
	if t == nil {
		return RoleOperate
	}
	return t.role
}
