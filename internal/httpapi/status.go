package httpapi

import (
	"iter"
	"net/http"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// view is what the caller asked to see and may. Input and output are shown
// unless somebody says otherwise, so they are left out for whom they are not,
// but a history is asked for: it is refused.
func (r *request) view() (wire.View, error) {
	v := wire.View{Details: r.query.flag("showDetails", false), History: r.query.flag("showHistory", false)}
	switch {
	case r.caller.Role >= RoleRead:
		v.Custom, v.Failure = true, true
		v.Input, v.Output = r.query.flag("showInput", true), r.query.flag("showOutput", true)
		v.Results = r.query.flag("showHistoryOutput", false)
	case v.History:
		return v, r.tooLow(RoleRead, "showHistory")
	}
	return v, nil
}

// parts says what must be read to show that.
func parts(v wire.View) hub.StatusOptions {
	return hub.StatusOptions{Input: v.Input, Output: v.Output, History: v.History}
}

// status is docs/contracts/http-api.md 5.2. Ours besides: wait=SECONDS keeps
// the request until the instance has ended, showOutput=false hides the output,
// and showDetails=true adds what the contract's form has no place for.
func status(r *request) (response, error) {
	v, err := r.view()
	if err != nil {
		return response{}, err
	}
	if timeout, ok := r.query.seconds("wait"); ok {
		await(r, r.id(), timeout)
	}
	st, err := r.look(r.id(), parts(v))
	if err != nil {
		return response{}, err
	}
	res := response{code: http.StatusOK}
	if v.History && st.Status != history.Pending && len(st.History) > 0 {
		res.parts, res.held = withHistory(&st, v), st.Bytes()
	} else {
		res.body = wire.WriteStatus(&st, v).JSON()
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

// withHistory is the status object with the history behind it, event by event.
func withHistory(st *hub.Status, v wire.View) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(wire.WriteStatus(st, v).Open(), nil) {
			return
		}
		for _, name := range []string{"historyEvents", "history"} { // npm durable-functions reads the second
			if !yield([]byte(`,"`+name+`":`), nil) {
				return
			}
			for part, err := range array(wire.WriteEvents(st.History, v)) {
				if !yield(part, err) {
					return
				}
			}
		}
		yield([]byte{'}'}, nil)
	}
}
