package httpapi

import (
	"fmt"
	"net/http"
)

// Role says how far a caller gets. A higher one may all that a lower one may.
type Role int

// The roles. The zero value of a field is [RoleOperate].
const (
	RoleMetadata Role = iota + 1 // sees that instances are there and how they do: no payloads, no failure messages
	RoleRead                     // sees all
	RoleOperate                  // changes
)

var roleNames = []string{RoleMetadata: "metadata", RoleRead: "read", RoleOperate: "operate"}

func (r Role) String() string {
	if r < RoleMetadata || r > RoleOperate {
		return fmt.Sprintf("Role(%d)", int(r))
	}
	return roleNames[r]
}

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, error) {
	for r := RoleMetadata; r <= RoleOperate; r++ {
		if name == roleNames[r] {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%q is not metadata, read or operate", name)
}

// tooLow is the answer to a caller whose role is below the one that what it
// asked for needs.
func (r *request) tooLow(least Role, what string) error {
	return refuse(http.StatusForbidden, "%s has the role %s, and %s needs %s: ask for a key with that role", r.caller.Name, r.caller.Role, what, least)
}
