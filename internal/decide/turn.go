package decide

import (
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// A turn is the unit: all that came for an instance at once, and what its code
// made of it, are one record.

// maxTurnEvents bounds how much of an inbox one turn takes, so that an instance
// flooded with events still commits, and lets others run, now and then.
const maxTurnEvents = 10_000

// intake is the part of an inbox that a turn accepts.
type intake struct {
	turn       history.Turn // incoming events; none when nothing was accepted
	terminated *history.Event
	recursive  bool          // the children are to end too
	accepted   int           // messages looked at; the rest stays in the inbox
	ahead      time.Duration // the turn's time is of the clock's, since the clock was set back
}

// take decides, message by message and against the state that the ones before
// lead to, which events become part of the next turn (docs/contracts/runtime.md
// 3.3). Whatever it looks at and does not accept is dropped: it is for another
// execution, answers nothing that is open, or repeats what was applied.
func take(row *history.Instance, st *history.State, inbox []Message, now time.Time) intake {
	in := intake{turn: history.Turn{Seq: st.Seq + 1, At: turnTime(st.At, now)}}
	if ahead := in.turn.At.Sub(now); ahead > setBack {
		in.ahead = ahead
	}
	if n := min(len(inbox), maxTurnEvents); n > 0 {
		in.turn.Events = make([]history.Event, 0, n+1) // mostly one thing follows
	}
	suspended := st.Suspended
	var answered map[int32]bool // when there is more than one message
	var keys history.Keys       // of this batch
	for i := range inbox {
		if i >= maxTurnEvents {
			break
		}
		in.accepted++
		m := &inbox[i]
		if m.Execution != "" && m.Execution != row.ExecutionID {
			continue
		}
		ev := m.Event
		switch kind := ev.Kind; {
		case kind.Class() == history.Answer:
			open, ok := st.Open[ev.TaskID]
			if !ok || answered[ev.TaskID] || !answers(&ev, open) {
				continue
			}
			if answered == nil && len(inbox) > 1 {
				answered = make(map[int32]bool)
			}
			if answered != nil {
				answered[ev.TaskID] = true
			}
		case kind == history.EventRaised:
			if ev.Key != "" {
				if keys.Taken(ev.Key, ev.At) || st.Keys.Taken(ev.Key, ev.At) {
					continue
				}
				keys.Take(ev.Key, ev.At)
			}
		case kind == history.ExecutionSuspended:
			if suspended {
				continue
			}
			suspended = true
		case kind == history.ExecutionResumed:
			if !suspended {
				continue
			}
			suspended = false
		case kind == history.ExecutionTerminated:
			if !Terminates(&ev, row) {
				continue
			}
			in.recursive = in.recursive || ev.Recursive
			if in.terminated != nil {
				continue
			}
			in.terminated = &m.Event
		default: // a second start; nothing else is ever sent
			continue
		}
		ev.ID = history.NoID
		in.turn.Events = append(in.turn.Events, ev)
	}
	return in
}

// Terminates reports whether ev is meant for row: a parent that ends its
// children ends no instance of somebody else that has the id of one, and when
// it was rewound none that it started since.
func Terminates(ev *history.Event, row *history.Instance) bool {
	return ev.Instance == "" || row.Parent != nil && row.Parent.InstanceID == ev.Instance && row.Parent.TaskID == ev.TaskID &&
		(ev.Started == nil || row.Parent.ExecutionID == ev.Started.ExecutionID)
}

// setBack is how far a clock that is set back may leave an orchestrator's time
// ahead before timers are corrected: turns that follow each other closely are
// ahead by less.
const setBack = time.Millisecond

// turnTime is the orchestrator's now: it advances with every turn, whatever the
// clock does (docs/contracts/runtime.md 2.10).
func turnTime(last, now time.Time) time.Time {
	if now = history.Truncate(now); now.After(last) {
		return now
	}
	return last.Add(100 * time.Nanosecond)
}

// finish decides a turn in which user code ran, or which suspension kept it
// from running. version is the default for children that ask for none;
// execution names the next execution, should there be one.
func finish(row history.Instance, st *history.State, in intake, out history.Outcome, version string, execution history.ExecutionID) Decision {
	d := Decision{Row: row, OldStatus: row.Status, State: st, Record: in.turn}
	turn := &d.Record
	firstTurn := st.Turns == 0
	for i := range turn.Events {
		if turn.Events[i].Kind == history.TimerFired {
			d.ClearTimers = append(d.ClearTimers, TimerOf(&row, st.Open[turn.Events[i].TaskID]))
		}
	}
	var end *history.Action
	for i := range out.Actions {
		d.act(&out.Actions[i], turn, version, in.ahead)
		if out.Actions[i].Kind == history.CompleteExecution {
			end = &out.Actions[i]
		}
	}
	if firstTurn && !row.ScheduledAt.IsZero() {
		d.ClearTimers = append(d.ClearTimers, WakeTimer(&row))
	}
	if out.CustomStatus != nil {
		d.Row.CustomStatus = *out.CustomStatus
	}

	st.Apply(turn)
	switch {
	case end == nil:
		d.live(turn.Events)
		d.scheduleTasks(turn.Events)
	case end.Status == history.ContinuedAsNew:
		d.continueAsNew(end, execution)
	default:
		d.end(end.Status, end.Payload, end.Failure)
	}
	d.updateRow(&row)
	return d
}

// act records an action in the turn and notes its effects. A timer that is to
// fire some time after the turn does so by the clock, of which the turn's time
// may be ahead.
func (d *Decision) act(a *history.Action, turn *history.Turn, version string, ahead time.Duration) {
	if a.Kind == history.CancelTimer {
		turn.Canceled = append(turn.Canceled, a.ID)
		if created, ok := d.State.Open[a.ID]; ok {
			d.ClearTimers = append(d.ClearTimers, TimerOf(&d.Row, created))
		} else {
			d.cancelNew(a.ID)
		}
		return
	}
	if a.Kind == history.StartSubOrchestration && a.Version == "" {
		a.Version = version
	}
	ev, _ := a.Event(turn.At)
	if a.Relative {
		ev.FireAt = ev.FireAt.Add(-ahead)
	}
	turn.Events = append(turn.Events, ev)
	switch a.Kind {
	case history.CreateTimer:
		d.SetTimers = append(d.SetTimers, TimerOf(&d.Row, &ev))
	case history.SendEvent:
		d.send(a.Instance, "", history.Event{Kind: history.EventRaised, Name: a.Name, Payload: a.Payload, At: turn.At})
	case history.StartSubOrchestration:
		d.startChild(&ev)
	}
}

// cancelNew forgets a timer that this very turn created.
func (d *Decision) cancelNew(id int32) {
	d.SetTimers = slices.DeleteFunc(d.SetTimers, func(t store.Timer) bool { return t.ID == id })
}

// live sets the status of an execution that goes on.
func (d *Decision) live(events []history.Event) {
	if !d.State.Suspended {
		d.Row.Status, d.Row.Reason = history.Running, nil
		return
	}
	d.Row.Status = history.Suspended
	for i := range events {
		if events[i].Kind == history.ExecutionSuspended {
			d.Row.Reason = events[i].Payload
		}
	}
}

// scheduleTasks notes the activities that the turn called. They run once it is
// durable.
func (d *Decision) scheduleTasks(events []history.Event) {
	for i := range events {
		if events[i].Kind == history.TaskScheduled {
			d.Schedule = append(d.Schedule, &events[i])
		}
	}
}

// continueAsNew replaces the history by the start record of the next execution
// (docs/contracts/runtime.md 2.8).
func (d *Decision) continueAsNew(end *history.Action, execution history.ExecutionID) {
	d.abandonOpen()
	old := d.State
	started := *old.Started.Started
	started.ExecutionID = execution
	started.Generation = d.Row.Generation + 1
	started.ScheduledAt = time.Time{}
	started.Keys, started.KeyTimes = old.Keys.List(d.Record.At)
	started.Parent = d.Row.Parent // of now: it may have been rewound
	d.Row.Generation = started.Generation
	d.Row.ExecutionID = execution
	d.Row.ScheduledAt = time.Time{}
	d.Row.Status, d.Row.Reason = history.Running, nil
	if end.Version != "" {
		d.Row.Version = end.Version
	}
	events := []history.Event{{
		Kind: history.ExecutionStarted, ID: history.NoID, At: d.Record.At,
		Name: d.Row.Name, Version: d.Row.Version, Payload: end.Payload, Started: &started,
	}}
	for _, ev := range end.Carry {
		ev.Key = "" // its key is in started.Keys already
		events = append(events, ev)
	}
	d.Record = history.Turn{Seq: d.Record.Seq, Events: events}
	d.Drop.First, d.Drop.End = old.First, d.Record.Seq
	d.State = &history.State{}
	d.State.Apply(&d.Record)
}

// terminate decides a turn that ends the instance without running its code
// (docs/contracts/runtime.md 5.4).
func terminate(row history.Instance, st *history.State, in intake) Decision {
	d := Decision{Row: row, OldStatus: row.Status, State: st, Record: in.turn}
	turn, reason := &d.Record, in.terminated.Payload
	if st.Turns == 0 && !row.ScheduledAt.IsZero() {
		d.ClearTimers = append(d.ClearTimers, WakeTimer(&row))
	}
	turn.Events = append(turn.Events, history.Event{
		Kind: history.ExecutionCompleted, ID: history.NoID, At: turn.At, Status: history.Terminated, Payload: reason,
	})
	for i := range turn.Events { // a fired timer leaves Open when the turn is applied, its row must go all the same
		if ev := &turn.Events[i]; ev.Kind == history.TimerFired {
			d.ClearTimers = append(d.ClearTimers, TimerOf(&row, st.Open[ev.TaskID]))
		}
	}
	st.Apply(turn)
	d.end(history.Terminated, reason, nil)
	if in.recursive {
		d.endChildren(reason)
	}
	d.updateRow(&row)
	return d
}
