package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// view says what of a status is shown.
type view struct {
	input   bool
	history bool
	results bool // of history events
	details bool
}

// status is spec/http-api.md 5.2. Ours besides: wait=SECONDS keeps the request
// until the instance has ended, showDetails=true adds what the contract's form
// has no place for.
func status(r *request) (response, error) {
	v := view{
		input:   r.query.flag("showInput", true),
		history: r.query.flag("showHistory", false),
		results: r.query.flag("showHistoryOutput", false),
		details: r.query.flag("showDetails", false),
	}
	if timeout, ok := r.query.seconds("wait"); ok {
		await(r, r.id(), timeout)
	}
	st, err := r.hub.Status(r.Context(), r.id(), engine.StatusOptions{Payloads: true, History: v.history})
	if err != nil {
		return response{}, err
	}
	res := response{code: http.StatusOK, body: statusBody(st, v).json()}
	switch {
	case !st.Status.Terminal():
		res.code, res.location, res.retryAfter = http.StatusAccepted, r.origin()+r.URL.RequestURI(), 5
	case st.Status == history.Failed && r.query.flag("returnInternalServerErrorOnFailure", false):
		res.code = http.StatusInternalServerError
	}
	return res, nil
}

// statusBody writes the first eight keys always: clients insist on them.
func statusBody(st engine.Status, v view) *object {
	input := st.Input
	if !v.input {
		input = nil
	}
	o := (&object{}).str("name", st.Name).str("instanceId", string(st.ID)).str("runtimeStatus", st.Status.String()).
		raw("input", input).raw("customStatus", st.CustomStatus).raw("output", st.Output).
		second("createdTime", st.CreatedAt).second("lastUpdatedTime", st.UpdatedAt)
	if v.history && st.Status != history.Pending && len(st.History) > 0 {
		o.raw("historyEvents", historyEvents(st.History, v))
	}
	if v.details {
		o.raw("details", details(st))
	}
	return o
}

// details are ours; keys without a value are left out.
func details(st engine.Status) json.RawMessage {
	o := (&object{}).str("executionId", string(st.ExecutionID)).
		instant("createdTime", st.CreatedAt).instant("lastUpdatedTime", st.UpdatedAt)
	if st.Version != "" {
		o.str("version", st.Version)
	}
	if !st.CompletedAt.IsZero() {
		o.instant("completedTime", st.CompletedAt)
	}
	if !st.ScheduledAt.IsZero() {
		o.instant("scheduledStartTime", st.ScheduledAt)
	}
	if st.Parent != nil {
		o.str("parentInstanceId", string(st.Parent.InstanceID))
	}
	if len(st.Tags) > 0 {
		tags, _ := json.Marshal(st.Tags) // strings always encode
		o.raw("tags", tags)
	}
	if st.Failure != nil {
		o.raw("failureDetails", failureDetails(st.Failure))
	}
	return o.json()
}
