package decide

import (
	"maps"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file tells why an execution failed, and what a failed attempt led to.

// FailsAgain reports whether the code of a Failed instance that no failed call
// ended would fail again as it is: it panicked, or a rewind lets nothing happen
// anew.
func (p *Past) FailsAgain() bool {
	return p.ended != nil && p.ended.Failure != nil && p.ended.Failure.Type == history.FailurePanic || len(p.undo(false)) == 0
}

// TimedOut reports whether an execution failed since an event did not come in
// time: the timer has fired, and stays so.
func TimedOut(turns []history.Turn) bool {
	ended := LastEvent(turns)
	if ended == nil {
		return false
	}
	for failure := ended.Failure; failure != nil; failure = failure.Inner {
		if failure.Type == "*perdure.TimeoutError" {
			return true
		}
	}
	return false
}

// Causes returns the failed calls that the end of a Failed instance names.
func (p *Past) Causes() []hub.Undone {
	if p.ended == nil {
		return nil
	}
	undone := p.undo(false)
	maps.DeleteFunc(undone, func(task int32, _ moment) bool { return !slices.Contains(p.ended.Tasks, task) })
	return p.describe(undone)
}

// Setback is a failed call, and which attempt at it failed.
type Setback struct {
	Call    *history.Event
	Attempt int32 // from 1
	Failure *history.Failure
}

// Setbacks returns, by timer, the failures in answer to which timers were set,
// as retry policies do. History does not tie the two: in a turn that brought as
// many failures as it set timers, they belong together in their order.
func Setbacks(turns []history.Turn) map[int32]Setback {
	p := Survey(turns)
	attempts := make(map[int32]int32)
	failures, timers := make([][]Setback, len(p.turns)), make([][]int32, len(p.turns))
	for _, m := range p.events {
		switch ev := m.event; ev.Kind {
		case history.TaskScheduled:
			attempts[ev.ID] = max(ev.Attempt, 1)
		case history.ExecutionRewound: // each call that it undid is one attempt more
			for _, id := range ev.Tasks {
				attempts[id]++
			}
		case history.TaskFailed, history.SubOrchestrationInstanceFailed:
			failures[m.turn] = append(failures[m.turn], Setback{p.calls[ev.TaskID].event, attempts[ev.TaskID], ev.Failure})
		case history.TimerCreated:
			timers[m.turn] = append(timers[m.turn], ev.ID)
		}
	}
	found := make(map[int32]Setback)
	for turn, ids := range timers {
		for i, id := range ids {
			if len(ids) == len(failures[turn]) && failures[turn][i].Call != nil {
				found[id] = failures[turn][i]
			}
		}
	}
	return found
}
