package hub

import "github.com/perdure/perdure/internal/history"

// MergedEvent is an event of a merged history: a completion stands for its
// scheduling event too, frames of turns and ids are left out
// (docs/contracts/http-api.md 5.3).
type MergedEvent struct {
	history.Event
	// Scheduled is what a completion answers, if known. It holds Kind, At, Name
	// and Payload.
	Scheduled *history.Event
}

// MergedHistory merges a history as it was recorded, with the inputs and the
// outputs only if they are asked for.
func MergedHistory(recorded []history.Event, inputs, outputs bool) []MergedEvent {
	var out []MergedEvent
	for ev := range history.Merge(recorded) {
		merged := MergedEvent{Event: outline(ev.Event, inputs, outputs)}
		if s := ev.Scheduled; s != nil && ev.Kind.Completes() {
			merged.Scheduled = &history.Event{Kind: s.Kind, ID: history.NoID, At: ev.ScheduledAt, Name: s.Name, Payload: Veiled(*s, inputs, outputs).Payload}
		}
		out = append(out, merged)
	}
	return out
}

// outline keeps of an event what a merged history shows.
func outline(ev *history.Event, inputs, outputs bool) history.Event {
	return history.Event{
		Kind: ev.Kind, ID: history.NoID, At: ev.At, Name: ev.Name, Payload: Veiled(*ev, inputs, outputs).Payload,
		FireAt: ev.FireAt, Instance: ev.Instance, Status: ev.Status, Failure: ev.Failure,
	}
}

// Veiled leaves out payloads that are not asked for. Reasons are neither inputs
// nor outputs.
func Veiled(ev history.Event, inputs, outputs bool) history.Event {
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
