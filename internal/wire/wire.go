// Package wire holds what the HTTP API and its client must agree on and the
// contract does not say: each is written here once.
package wire

import "errors"

// BasePath is where hosts serve the API (spec/http-api.md 1.1), in any letter case.
const BasePath = "/runtime/webhooks/durabletask"

// Other places of the API: for 1.x callers, and for worker processes of the same
// machine.
const (
	AdminPath = "/admin/extensions/DurableTaskExtension"
	RPCPath   = "/durabletask"
)

// Mark is a header of every answer of a host of ours. Many of the contract's answers
// are a status without a body, which anything on the way can give: by the mark a
// client tells them from those of a proxy.
const Mark = "X-Perdure"

// Values of [Mark].
const (
	Served   = "1"
	Unserved = "0" // there is nothing at that path: no answer about an instance either
)

// ErrHubNotFound: the task hub that is asked for does not exist.
var ErrHubNotFound = errors.New("task hub not found")
