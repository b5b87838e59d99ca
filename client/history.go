package client

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/wire"
)

// EventType says what an event records, such as [history.TaskCompleted].
type EventType = history.Kind

// Event is one event of a history.
type Event struct {
	history.Event
	// Position is the event's place in the history of its execution, from 1. It
	// stays as the history grows. A merged history has none.
	Position int64
	// Scheduled is what a completion of a merged history answers, if known. It
	// holds Kind, At, Name and Payload.
	Scheduled *history.Event
}

// HistoryOptions say which events of a history to read, and in which form.
type HistoryOptions struct {
	Inputs  bool // of functions and events; else they are left out
	Outputs bool // results; else they are left out, but failures are always told
	// Merged asks for the form that the HTTP API shows: a completion stands for
	// its scheduling event too, frames of turns and ids are left out. By default
	// every event is there as it was recorded.
	Merged bool
	Types  []EventType // none: all
	After  int64       // only events with a higher Position; not with Merged
}

// History yields the events of an instance's current execution, oldest first;
// none while it is Pending. An error ends it.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrUnsupported] when a remote
// host has merged histories only.
func (c *Client) History(ctx context.Context, id string, o HistoryOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		events, err := c.events(ctx, id, o)
		if err != nil {
			yield(Event{}, c.fail(ctx, "history", id, err))
			return
		}
		for _, ev := range events {
			if len(o.Types) > 0 && !slices.Contains(o.Types, ev.Kind) {
				continue
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (c *Client) events(ctx context.Context, id string, o HistoryOptions) ([]Event, error) {
	if o.Merged {
		if o.After != 0 {
			return nil, fmt.Errorf("%w: a merged history has no positions to begin after", ErrInvalidArgument)
		}
		_, events, err := c.merged(ctx, id, o.Inputs, o.Outputs)
		return events, err
	}
	st, err := c.hub.Status(ctx, history.InstanceID(id), engine.StatusOptions{History: true})
	if err != nil {
		return nil, err
	}
	var events []Event
	for i, ev := range st.History {
		if position := int64(i + 1); position > o.After {
			events = append(events, Event{Event: veil(ev, o.Inputs, o.Outputs), Position: position})
		}
	}
	return events, nil
}

// merger is a [Hub] that merges histories itself.
type merger interface {
	merged(ctx context.Context, id history.InstanceID, inputs, outputs bool) (engine.Status, []Event, error)
}

// merged reads a status and its merged history at one moment.
func (c *Client) merged(ctx context.Context, id string, inputs, outputs bool) (engine.Status, []Event, error) {
	if hub, ok := c.hub.(merger); ok {
		return hub.merged(ctx, history.InstanceID(id), inputs, outputs)
	}
	st, err := c.hub.Status(ctx, history.InstanceID(id), engine.StatusOptions{Payloads: true, History: true})
	return st, merge(st.History, inputs, outputs), err
}

// merge is spec/http-api.md 5.3 but for its JSON.
func merge(raw []history.Event, inputs, outputs bool) []Event {
	var out []Event
	for ev := range wire.Merge(raw) {
		merged := Event{Event: outline(ev.Event, inputs, outputs)}
		if s := ev.Scheduled; s != nil && wire.Completion(ev.Kind) {
			merged.Scheduled = &history.Event{Kind: s.Kind, ID: history.NoID, At: ev.ScheduledAt, Name: s.Name, Payload: veil(*s, inputs, outputs).Payload}
		}
		out = append(out, merged)
	}
	return out
}

// outline keeps of an event what a merged history shows.
func outline(ev *history.Event, inputs, outputs bool) history.Event {
	return history.Event{
		Kind: ev.Kind, ID: history.NoID, At: ev.At, Name: ev.Name, Payload: veil(*ev, inputs, outputs).Payload,
		FireAt: ev.FireAt, Instance: ev.Instance, Status: ev.Status, Failure: ev.Failure,
	}
}

// veil leaves out payloads that are not asked for. Reasons are neither inputs
// nor outputs.
func veil(ev history.Event, inputs, outputs bool) history.Event {
	switch ev.Kind {
	case history.TaskCompleted, history.SubOrchestrationInstanceCompleted, history.ExecutionCompleted:
		if !outputs {
			ev.Payload = nil
		}
	case history.ExecutionStarted, history.TaskScheduled, history.SubOrchestrationInstanceCreated,
		history.EventRaised, history.EventSent, history.ExecutionTerminated:
		if !inputs {
			ev.Payload = nil
		}
	}
	return ev
}
