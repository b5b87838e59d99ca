package client

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// EventType says what an event records. Its String is the name that the HTTP
// API has for it, such as TaskCompleted.
type EventType = history.Kind

// ParseEventType reads the name of an event's type, in any letter case.
func ParseEventType(name string) (EventType, error) { return history.ParseKind(name) }

// RecordedEvent is what is recorded of an event: its Kind, when it came (At),
// and by kind the Name and Version of a function or the Name of an event, the
// Payload, the ID of an action and the TaskID of the one that it answers,
// FireAt of a timer, the Instance of a child or a receiver, the Status and
// Failure of an end, the Attempt, and what an execution started with (Started).
// Its JSON form is that of an exported [Archive].
type RecordedEvent = history.Event

// Event is one event of a history.
type Event struct {
	RecordedEvent
	// Position is the event's place in the history of its execution, from 1. It
	// stays as the history grows. A merged history has none.
	Position int64
	// Scheduled is what a completion of a merged history answers, if known. It
	// holds Kind, At, Name and Payload.
	Scheduled *RecordedEvent
}

// HistoryOptions say which events of a history to read, and in which form.
type HistoryOptions struct {
	Inputs  bool // of functions and events; else they are left out
	Outputs bool // results; else they are left out, but failures are always told
	// Merged asks for the form that the HTTP API shows: a completion stands for
	// its scheduling event too, frames of turns and ids are left out. By
	// default every event is there as it was recorded.
	Merged bool
	Types  []EventType // none: all
	After  int64       // only events with a higher Position; not with Merged
}

// History yields the events of an instance's current execution, oldest first;
// none while it is Pending. An error ends it.
//
// Errors: [ErrNotFound], [ErrInvalidArgument], [ErrUnsupported] when a remote
// host has merged histories only.
func (c *Client) History(ctx context.Context, id InstanceID, o HistoryOptions) iter.Seq2[Event, error] {
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

func (c *Client) events(ctx context.Context, id InstanceID, o HistoryOptions) ([]Event, error) {
	if o.Merged {
		if o.After != 0 {
			return nil, fmt.Errorf("%w: a merged history has no positions to begin after", ErrInvalidArgument)
		}
		_, merged, err := c.hub.MergedHistory(ctx, id, o.Inputs, o.Outputs)
		return eventsOf(merged), err
	}
	st, err := c.hub.Status(ctx, id, hub.StatusOptions{History: true})
	if err != nil {
		return nil, err
	}
	var events []Event
	for i, ev := range st.History {
		if position := int64(i + 1); position > o.After {
			events = append(events, Event{RecordedEvent: hub.Veiled(ev, o.Inputs, o.Outputs), Position: position})
		}
	}
	return events, nil
}

// eventsOf is a merged history as callers have it.
func eventsOf(merged []hub.MergedEvent) []Event {
	events := make([]Event, len(merged))
	for i, ev := range merged {
		events[i] = Event{RecordedEvent: ev.Event, Scheduled: ev.Scheduled}
	}
	return events
}
