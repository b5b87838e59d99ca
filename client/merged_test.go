package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// recorded is a hub with one instance, whose history it is.
type recorded struct {
	servedHub
	events []history.Event
}

func (r *recorded) Status(_ context.Context, id history.InstanceID, _ hub.StatusOptions) (hub.Status, error) {
	st := hub.Status{History: r.events}
	st.ID, st.Name, st.Status, st.CreatedAt = id, "F", history.Completed, time.Unix(1, 0)
	return st, nil
}

func (r *recorded) MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (hub.Status, []hub.MergedEvent, error) {
	st, err := r.Status(ctx, id, hub.StatusOptions{})
	return st, hub.MergedHistory(r.events, inputs, outputs), err
}

// drawHistory makes a history that looks like one. Tasks may end before they were
// scheduled: the clock of turns runs ahead of that of tasks when it stands still.
func drawHistory(rng *rand.Rand) []history.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	payload := func() json.RawMessage {
		return []json.RawMessage{nil, json.RawMessage(`"a"`), json.RawMessage(`{"n":1.50}`)}[rng.IntN(3)]
	}
	text := func() json.RawMessage { return []json.RawMessage{nil, json.RawMessage(`"why"`)}[rng.IntN(2)] }
	failure := &history.Failure{Type: "T", Message: "broke", Stack: "at X", Inner: &history.Failure{Message: "inner"}, NonRetriable: true}
	events := []history.Event{
		{Kind: history.OrchestratorStarted, ID: history.NoID}, {Kind: history.ExecutionStarted, ID: history.NoID, Name: "F", Payload: payload()},
	}
	var open []history.Event
	for id := range int32(rng.IntN(12)) {
		ev := history.Event{ID: id, Name: fmt.Sprint("task ", id), Payload: payload()}
		switch rng.IntN(8) {
		case 0, 1:
			ev.Kind = history.TaskScheduled
			open = append(open, ev)
		case 2, 3:
			ev.Kind, ev.Instance = history.SubOrchestrationInstanceCreated, "child"
			open = append(open, ev)
		case 4:
			ev = history.Event{Kind: history.TimerCreated, ID: id, FireAt: at.Add(time.Second)}
			open = append(open, ev)
		case 5:
			ev.Kind, ev.ID = history.EventRaised, history.NoID
		case 6:
			ev.Kind, ev.Instance = history.EventSent, "other"
		case 7:
			ev = history.Event{Kind: []history.Kind{history.ExecutionSuspended, history.ExecutionResumed, history.ExecutionRewound}[rng.IntN(3)], ID: history.NoID, Payload: text()}
		}
		events = append(events, ev)
		if len(open) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(open))
			ended := history.Event{ID: history.NoID, TaskID: open[i].ID}
			failed := rng.IntN(2) == 0
			switch {
			case open[i].Kind == history.TimerCreated:
				ended.Kind, ended.FireAt = history.TimerFired, open[i].FireAt
			case failed:
				ended.Kind, ended.Failure = history.TaskFailed, failure
			default:
				ended.Kind, ended.Payload = history.TaskCompleted, payload()
			}
			if open[i].Kind == history.SubOrchestrationInstanceCreated {
				ended.Kind += history.SubOrchestrationInstanceCompleted - history.TaskCompleted
			}
			events, open = append(events, ended), append(open[:i], open[i+1:]...)
		}
	}
	end := []history.Event{
		{Kind: history.ExecutionCompleted, Status: history.Completed, Payload: payload()},
		{Kind: history.ExecutionCompleted, Status: history.Failed, Failure: failure},
		{Kind: history.ExecutionTerminated, Payload: text()},
	}[rng.IntN(3)]
	end.ID = history.NoID
	events = append(events, end, history.Event{Kind: history.OrchestratorCompleted, ID: history.NoID})
	for i := range events {
		events[i].At = at.Add(time.Duration(rng.IntN(5)) * 100)
	}
	return events
}

// One hub shows one merged history, in this process and over HTTP.
func TestMergedHistoriesAreTheSameOverEveryTransport(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		hub := &recorded{events: drawHistory(rng)}
		web := direct{httpapi.New(httpapi.Options{Hub: hub, TaskHub: "TestHub"})}
		near := client.Local(hub)
		far := client.Remote(origin, client.RemoteOptions{HTTPClient: &http.Client{Transport: web}})
		o := client.HistoryOptions{Merged: true, Inputs: rng.IntN(2) == 0, Outputs: rng.IntN(2) == 0}
		read := func(c *client.Client) (all []client.Event) {
			for ev, err := range c.History(t.Context(), "x", o) {
				if err != nil {
					t.Fatal(err)
				}
				if s := ev.Scheduled; s != nil && s.At.After(ev.At) {
					t.Errorf("seed %d: %v of %s is scheduled after its end", seed, ev.Kind, s.Name)
				}
				all = append(all, ev)
			}
			return all
		}
		if diff := cmp.Diff(read(near), read(far)); diff != "" {
			t.Fatalf("seed %d, %+v (-local +http):\n%s", seed, o, diff)
		}
	}
}
