// Package wire hides how things look on the wire: statuses, events, errors,
// names of rules, headers and paths, each written here once. A form is a table
// with a row for each member, by which the HTTP API writes and its client
// reads, so that the two cannot drift apart.
package wire

import "errors"

// BasePath is where hosts serve the API (docs/contracts/http-api.md 1.1), in
// any letter case.
const BasePath = "/runtime/webhooks/durabletask"

// Other places of the API: for 1.x callers, and for worker processes of the
// same machine.
const (
	AdminPath = "/admin/extensions/DurableTaskExtension"
	RPCPath   = "/durabletask"
)

// Mark is a header of every answer of a host of ours. Many of the contract's
// answers are a status without a body, which anything on the way can give: by
// the mark a client tells them from those of a proxy.
const Mark = "X-Perdure"

// Values of [Mark].
const (
	Served   = "1"
	Unserved = "0" // there is nothing at that path: no answer about an instance either
)

// StateHeader tells the status of the instance that was in the way of a request
// that is refused, whatever the body of the refusal.
const StateHeader = "X-Perdure-Status"

// TokenHeader carries the tokens of pages, in both directions.
const TokenHeader = "x-ms-continuation-token"

// ErrHubNotFound: the task hub that is asked for does not exist.
var ErrHubNotFound = errors.New("task hub not found")
