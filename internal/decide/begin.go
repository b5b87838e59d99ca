package decide

import (
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// An id has one instance at a time. What had it before goes in the same
// decision, so there is no moment without one.

// Begin creates an instance from its ExecutionStarted event. prev is the row
// that id has now, its Number 0 when there is none; it is erased.
func Begin(ev history.Event, id history.InstanceID, number history.Number, execution history.ExecutionID, prev history.Instance) Decision {
	started := *ev.Started
	started.ExecutionID = execution
	if prev.Number != 0 {
		started.Generation = prev.Generation + 1
	}
	ev.Started = &started
	ev.ID = history.NoID
	ev.At = number.CreatedAt()

	d := Decision{
		Row: history.Instance{
			Number: number, ID: id, ExecutionID: execution, Name: ev.Name, Version: ev.Version,
			Status: history.Pending, CreatedAt: ev.At, UpdatedAt: ev.At, ScheduledAt: started.ScheduledAt,
			Parent: started.Parent, Tags: started.Tags, Generation: started.Generation, Labels: LabelsOf(started.Parent),
		},
		OldStatus: history.Unknown,
		Record:    history.Turn{Seq: 1, Events: []history.Event{ev}},
		State:     &history.State{},
	}
	if prev.Number != 0 {
		erased := prev // a copy, so that only this case allocates one
		d.Erase = &erased
	}
	if !started.ScheduledAt.IsZero() {
		d.SetTimers = []store.Timer{WakeTimer(&d.Row)}
	}
	d.State.Apply(&d.Record)
	d.Row.Events = d.State.Events
	return d
}

// Replace makes a start end the live instance that has its id
// (docs/contracts/runtime.md 5.1): its timers go, and its parent is told.
func (d *Decision) Replace(old *history.Instance, st *history.State) {
	d.giveUp(old, st)
	d.TellParent(old, "replaced", d.Row.CreatedAt)
}

// giveUp clears what a live instance that goes has scheduled.
func (d *Decision) giveUp(old *history.Instance, st *history.State) {
	was := Decision{Row: *old, State: st}
	was.abandonOpen()
	if st.Turns == 0 && !old.ScheduledAt.IsZero() {
		was.ClearTimers = append(was.ClearTimers, WakeTimer(old))
	}
	d.ClearTimers, d.Abandon = was.ClearTimers, true
}

// TellParent tells the parent of a live instance that goes, if one waits, that
// it was terminated.
func (d *Decision) TellParent(old *history.Instance, reason string, at time.Time) {
	if parent := old.Parent; parent != nil {
		d.send(parent.InstanceID, parent.ExecutionID, childEnded(parent.TaskID, at, history.Terminated, ReasonPayload(reason), nil))
	}
}

// Erase decides that the instance goes without a trace
// (docs/contracts/runtime.md 5.9). st is the fold of a live one, nil when it
// has ended.
func Erase(row history.Instance, st *history.State) Decision {
	d := Decision{Erase: &row, RowKept: true, Ended: true}
	if st != nil {
		d.giveUp(&row, st)
	}
	return d
}
