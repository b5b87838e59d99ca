package history

import (
	"iter"
	"time"
)

// Merged is an event of a merged history (docs/contracts/http-api.md 5.3).
type Merged struct {
	*Event
	// Scheduled is the scheduling event that a completion or a timer that fired
	// answers, nil if it is not known; ScheduledAt is its time, but not after
	// the completion's. Turns have times of their own, each later than the one
	// before: ahead of the clock, by which tasks end, where that stands still
	// or was set back.
	Scheduled   *Event
	ScheduledAt time.Time
}

// Merge leaves out the frames of turns, and of calls that have ended their
// scheduling events: their completions stand for both.
func Merge(events []Event) iter.Seq[Merged] {
	scheduled := map[int32]*Event{}
	answered := map[*Event]bool{}
	for i := range events {
		if events[i].Kind.Scheduling() {
			scheduled[events[i].ID] = &events[i]
		}
	}
	for i := range events {
		if events[i].Kind.Completes() {
			answered[scheduled[events[i].TaskID]] = true
		}
	}
	return func(yield func(Merged) bool) {
		for i := range events {
			ev := &events[i]
			if ev.Kind.Class() == Frame || answered[ev] {
				continue
			}
			merged := Merged{Event: ev}
			if s := scheduled[ev.TaskID]; s != nil && ev.Kind.Class() == Answer {
				merged.Scheduled, merged.ScheduledAt = s, s.At
				if s.At.After(ev.At) {
					merged.ScheduledAt = ev.At
				}
			}
			if !yield(merged) {
				return
			}
		}
	}
}
