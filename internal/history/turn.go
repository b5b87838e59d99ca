package history

import (
	"iter"
	"time"
)

// Turn is one record of a history: what came in, then what the orchestrator
// scheduled, in ascending sequence id, then ExecutionCompleted if it ended.
type Turn struct {
	Seq    uint32    // place of the record among all records of the instance; grows by 1, never restarts
	At     time.Time // the orchestrator's "now" during the turn; zero in a start record
	Events []Event
	// Canceled are the timers, by sequence id, that the orchestrator canceled
	// in the turn. Records before codec version 3 do not say.
	Canceled []int32
}

// Start reports whether the record is a start record: events that wait for the
// execution's first turn.
func (t *Turn) Start() bool { return t.At.IsZero() }

// Turns merges a start record into the turn after it, so that what it yields
// are the turns as they happened. A start record that no turn follows is
// yielded as it is, last. An error ends the sequence.
func Turns(records iter.Seq2[Turn, error]) iter.Seq2[Turn, error] {
	return func(yield func(Turn, error) bool) {
		var start *Turn
		for turn, err := range records {
			if err != nil {
				yield(Turn{}, err)
				return
			}
			if turn.Start() {
				start = &turn
				continue
			}
			if start != nil {
				turn.Events = append(start.Events[:len(start.Events):len(start.Events)], turn.Events...)
				start = nil
			}
			if !yield(turn, nil) {
				return
			}
		}
		if start != nil {
			yield(*start, nil)
		}
	}
}

// Flatten returns the turn's events as clients see them: framed by
// OrchestratorStarted and OrchestratorCompleted (docs/contracts/runtime.md
// 3.2).
func (t *Turn) Flatten() []Event {
	if t.Start() {
		return nil
	}
	events := make([]Event, 0, len(t.Events)+2)
	events = append(events, Event{Kind: OrchestratorStarted, ID: NoID, At: t.At})
	events = append(events, t.Events...)
	return append(events, Event{Kind: OrchestratorCompleted, ID: NoID, At: t.At})
}
