package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// start is docs/contracts/http-api.md 5.1. Ours besides: startAt, reuse and
// tag.NAME.
func start(r *request) (response, error) {
	at, _ := r.query.instant("startAt")
	ask := hub.StartRequest{
		Name: r.params["name"], ID: r.id(), Version: r.query.last("version"),
		Tags: r.query.tags, ScheduledAt: at, Reuse: r.query.reuse(),
	}
	if err := r.hub.CheckStart(r.Context(), ask); err != nil {
		return response{}, err
	}
	input, err := r.payload()
	if err != nil {
		return response{}, err
	}
	return r.begin(func() (history.InstanceID, error) {
		ask.Input = input
		return r.hub.Start(r.Context(), ask)
	})
}

// restart is docs/contracts/http-api.md 5.10.
func restart(r *request) (response, error) {
	sameID := !r.query.flag("restartWithNewInstanceId", true)
	return r.begin(func() (history.InstanceID, error) {
		return r.hub.Restart(r.Context(), r.id(), hub.RestartRequest{SameID: sameID})
	})
}

func (q query) reuse() hub.Reuse {
	rule, _ := wire.ParseReuse(strings.TrimSpace(q.last("reuse"))) // it was checked
	return rule
}

// begin lets an instance start and waits for its end, if asked to. What is
// wrong with the times is told before anything starts.
func (r *request) begin(start func() (history.InstanceID, error)) (response, error) {
	timeout, wait := r.query.seconds("timeout")
	interval, polled := r.query.seconds("pollingInterval")
	if wait && polled && interval > timeout {
		return response{}, invalid("pollingInterval %v is longer than timeout %v", interval, timeout)
	}
	id, err := start()
	if err != nil {
		return response{}, err
	}
	r.drop()
	if wait {
		if res, ended := outcome(r, id, timeout); ended {
			return res, nil
		}
	}
	return checkStatus(r, id), nil
}

// outcome waits for the end of an instance that was just started: the bare
// output, or the status of one that did not complete. Whatever goes wrong here,
// the instance exists, so the caller gets its links instead of an error.
func outcome(r *request, id history.InstanceID, timeout time.Duration) (res response, ended bool) {
	await(r, id, timeout)
	st, err := r.look(id, hub.StatusOptions{Input: true, Output: true})
	switch {
	case err != nil || !st.Status.Terminal():
		return response{}, false
	case st.Status == history.Completed && len(st.Output) == 0:
		return response{code: http.StatusOK, body: []byte("null")}, true
	case st.Status == history.Completed:
		return response{code: http.StatusOK, body: st.Output}, true
	}
	return response{code: http.StatusOK, body: wire.WriteStatus(&st, wire.View{Input: true, Output: true, Custom: true}).JSON()}, true
}

// await returns when the instance has ended, the time is up, waiting is not
// possible or too many do; the caller looks which.
func await(r *request, id history.InstanceID, timeout time.Duration) {
	waits := &r.handler.Gate.waits
	if timeout <= 0 || !waits.take(1) {
		return
	}
	defer waits.give(1)
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	r.hub.Wait(ctx, id) // see above: the status tells
}
