package engine

import (
	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// This file tells the listener what became of functions: when it is durable,
// once, not by replay, and not by a decision that was not stored and is made
// again.

// told is what is told of a decision besides what the decision itself says.
type told struct {
	endings []ending
	start   StartFate
	met     history.RuntimeStatus // of the instance that the start met
}

// ending is a completion, and the event that scheduled what it ends.
type ending struct {
	execution history.ExecutionID
	call, end *history.Event
}

// toldOf finds what is to be told of a step besides its decision.
func (t *tenure) toldOf(inst *instance, step *decide.Step) *told {
	switch step.Kind {
	case decide.Run, decide.Terminate:
		return t.endings(&inst.row, inst.state, step.Incoming())
	case decide.RefuseStart:
		if step.Asked().Started.Parent == nil {
			return &told{start: Dropped, met: inst.row.Status}
		}
	case decide.Start:
		if inst.exists() && step.Asked().Started.Parent == nil {
			return &told{start: Replaced, met: inst.row.Status}
		}
	}
	return nil
}

// endings finds what is to be told of the completions among events, which are
// about to be applied to st, the fold of row: the attempts that failed; those
// that did not, too, if somebody wants to hear of them.
func (t *tenure) endings(row *history.Instance, st *history.State, events []history.Event) *told {
	var found *told
	for i := range events {
		ev := &events[i]
		switch ev.Kind {
		case history.TaskFailed:
		case history.SubOrchestrationInstanceFailed:
			if tellsItself(ev.Failure) {
				continue
			}
		case history.TaskCompleted:
			if !t.listener.Successes() {
				continue
			}
		default:
			continue
		}
		if call := st.Open[ev.TaskID]; call != nil {
			if found == nil {
				found = new(told)
			}
			found.endings = append(found.endings, ending{row.ExecutionID, call, ev})
		}
	}
	return found
}

// tellsItself reports whether a child that ended with the failure has a line of
// its own: it has unless it was never there, or was ended by others.
func tellsItself(failure *history.Failure) bool {
	switch {
	case failure == nil:
		return true
	case failure.Type == history.FailureAlreadyExists, failure.Type == history.FailureMissing, failure.Type == history.FailureTerminated:
		return false
	}
	return true
}

// tell tells of a decision that is durable.
func (t *tenure) tell(d *decision) {
	info := TurnInfo{Kind: d.kind(), Row: &d.Row, Seq: d.Record.Seq}
	if d.told != nil {
		for i := range d.told.endings {
			e := &d.told.endings[i]
			t.listener.Attempt(AttemptInfo{d.Row.ID, e.execution, d.Record.Seq, e.call, e.end})
		}
		info.Start, info.Met = d.told.start, d.told.met
	}
	if info.Kind == Ended {
		info.End = d.State.Completed
	}
	t.listener.Turn(info)
}

// kind says what the decision did, as listeners know it.
func (d *decision) kind() TurnKind {
	switch {
	case !d.Records():
	case d.Ended && d.State != nil && d.State.Completed != nil:
		return Ended
	case d.Ended: // an event is kept for a rewind
	case d.Drop.End > 0 && d.OldStatus == history.Failed:
		return Rewound
	case d.Drop.End > 0:
		return ContinuedAsNew
	case d.Record.Start():
		return Started
	default:
		return Ran
	}
	return Changed
}
