package wire

import (
	"strings"

	"github.com/perdure/perdure/internal/hub"
)

// ReuseNames are the values of the parameter reuse, by [hub.Reuse].
var ReuseNames = []string{hub.RefuseIfActive: "RefuseIfActive", hub.RefuseIfExists: "RefuseIfExists", hub.ReplaceAny: "ReplaceAny", hub.ReturnExisting: "ReturnExisting"}

// ParseReuse reads one of [ReuseNames] in any letter case.
func ParseReuse(name string) (reuse hub.Reuse, ok bool) {
	for i, known := range ReuseNames {
		if strings.EqualFold(known, name) {
			return hub.Reuse(i), true
		}
	}
	return 0, false
}
