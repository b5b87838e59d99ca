package httpapi

import (
	"encoding/json"
	"iter"
	"net/http"

	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/hub"
)

// view says what of a status is shown.
type view struct {
	input   bool
	output  bool
	history bool
	results bool // of history events
	details bool
	custom  bool // the custom status
	failure bool // why it failed, in details
}

// view is what the caller asked to see and may. Input and output are shown unless
// somebody says otherwise, so they are left out for whom they are not, but a history is
// asked for: it is refused.
func (r *request) view() (view, error) {
	v := view{details: r.query.flag("showDetails", false), history: r.query.flag("showHistory", false)}
	switch {
	case r.caller.Role >= RoleRead:
		v.custom, v.failure = true, true
		v.input, v.output = r.query.flag("showInput", true), r.query.flag("showOutput", true)
		v.results = r.query.flag("showHistoryOutput", false)
	case v.history:
		return v, r.tooLow(RoleRead, "showHistory")
	}
	return v, nil
}

// options say what must be read for it.
func (v view) options() hub.StatusOptions {
	return hub.StatusOptions{Input: v.input, Output: v.output, History: v.history}
}

// status is spec/http-api.md 5.2. Ours besides: wait=SECONDS keeps the request
// until the instance has ended, showOutput=false hides the output, and
// showDetails=true adds what the contract's form has no place for.
func status(r *request) (response, error) {
	v, err := r.view()
	if err != nil {
		return response{}, err
	}
	if timeout, ok := r.query.seconds("wait"); ok {
		await(r, r.id(), timeout)
	}
	st, err := r.look(r.id(), v.options())
	if err != nil {
		return response{}, err
	}
	res := response{code: http.StatusOK}
	if v.history && st.Status != history.Pending && len(st.History) > 0 {
		res.parts, res.held = withHistory(&st, v), st.Bytes()
	} else {
		res.body = statusBody(&st, v).json()
	}
	switch {
	case !st.Status.Terminal():
		res.code, res.location, res.retryAfter = http.StatusAccepted, r.origin()+r.URL.RequestURI(), 5
	case st.Status == history.Failed && r.query.flag("returnInternalServerErrorOnFailure", false):
		res.code = http.StatusInternalServerError
	}
	return res, nil
}

// look is Status of the hub when it is its turn.
func (r *request) look(id history.InstanceID, o hub.StatusOptions) (st hub.Status, err error) {
	places := r.handler.Gate.looks
	if o.History {
		places = r.handler.Gate.lists
	}
	err = r.read(places, func() (err error) {
		st, err = r.hub.Status(r.Context(), id, o)
		return err
	})
	return st, err
}

// statusBody writes the first eight keys always: clients insist on them.
func statusBody(st *hub.Status, v view) *object {
	input, output, custom := st.Input, st.Output, st.CustomStatus
	if !v.input {
		input = nil
	}
	if !v.output {
		output = nil
	}
	if !v.custom {
		custom = nil
	}
	o := (&object{}).str("name", st.Name).str("instanceId", string(st.ID)).raw("runtimeStatus", statusName(st.Status)).
		raw("input", input).raw("customStatus", custom).raw("output", output).
		second("createdTime", st.CreatedAt).second("lastUpdatedTime", st.UpdatedAt)
	if v.details {
		o.raw("details", details(st, v))
	}
	if st.Problem != "" { // ours, and only for what cannot be shown
		o.str("error", st.Problem)
	}
	return o
}

// withHistory is statusBody with the history behind it, event by event.
func withHistory(st *hub.Status, v view) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(statusBody(st, v).text, nil) {
			return
		}
		for _, name := range []string{"historyEvents", "history"} { // npm durable-functions reads the second
			if !yield([]byte(`,"`+name+`":`), nil) {
				return
			}
			for part, err := range array(historyEvents(st.History, v)) {
				if !yield(part, err) {
					return
				}
			}
		}
		yield([]byte{'}'}, nil)
	}
}

// statusName is null for a status that cannot be read: clients refuse a whole list for a
// name that they do not know.
func statusName(status history.RuntimeStatus) json.RawMessage {
	if status == history.Unknown {
		return nil
	}
	return quote(status.String())
}

// details are ours; keys without a value are left out.
func details(st *hub.Status, v view) json.RawMessage {
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
	if st.FailureText != "" && v.failure {
		o.str("failureText", st.FailureText)
	}
	if st.Failure != nil && v.output {
		o.raw("failureDetails", failureDetails(st.Failure))
	}
	return o.json()
}
