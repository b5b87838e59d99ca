package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// accepted is the answer to a command that was queued: 202 and no body.
var accepted = response{code: http.StatusAccepted}

// raise is docs/contracts/http-api.md 5.5. That an instance is missing or has
// ended is told before anything that is wrong with the body.
func raise(r *request) (response, error) {
	ask := hub.RaiseRequest{Name: r.params["event"], Key: r.Header.Get(idempotencyHeader)}
	if err := r.hub.CheckRaise(r.Context(), r.id(), ask); err != nil {
		return response{}, err
	}
	var err error
	if ask.Payload, err = r.jsonPayload(); err != nil {
		return response{}, err
	}
	return accepted, r.hub.Raise(r.Context(), r.id(), ask)
}

// terminate is docs/contracts/http-api.md 5.6: the reason becomes the output,
// as a string whatever it looks like. Ours besides: output, which is JSON.
func terminate(r *request) (response, error) {
	var reason json.RawMessage
	switch text, output := r.query.reason(), r.query.last("output"); {
	case output != "":
		reason = json.RawMessage(output)
	case text != "":
		reason = wire.Quote(text)
	}
	return accepted, r.hub.Terminate(r.Context(), r.id(), hub.TerminateRequest{Reason: reason, Recursive: r.query.flag("recursive", false)})
}

// suspend is docs/contracts/http-api.md 5.7.
func suspend(r *request) (response, error) {
	return accepted, r.hub.Suspend(r.Context(), r.id(), r.query.reason())
}

// resume is docs/contracts/http-api.md 5.8.
func resume(r *request) (response, error) {
	return accepted, r.hub.Resume(r.Context(), r.id(), r.query.reason())
}

// rewind is docs/contracts/http-api.md 5.9. Ours besides: all, and dryRun,
// which answers with the plan.
func rewind(r *request) (response, error) {
	ask := hub.RewindRequest{Reason: r.query.reason(), All: r.query.flag("all", false)}
	if !r.query.flag("dryRun", false) {
		return accepted, r.hub.Rewind(r.Context(), r.id(), ask)
	}
	plan, err := r.hub.PlanRewind(r.Context(), r.id(), ask)
	if err != nil {
		return response{}, err
	}
	plan.Undone = orEmpty(plan.Undone)
	plan.Rewound, plan.Terminated = orEmpty(plan.Rewound), orEmpty(plan.Terminated)
	return jsonResponse(plan)
}

// makePrimary is docs/contracts/http-api.md 5.16: there are no app leases.
func makePrimary(*request) (response, error) {
	return response{}, invalid("this server has no app lease to take: the store's lock keeps one process per hub")
}

// orEmpty makes null an empty array.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
