package engine

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file is the pure core: state, events and now in; a decision out. It
// touches no store, no clock, no goroutine.

// maxTurnEvents bounds how much of an inbox one turn takes, so that an instance
// flooded with events still commits, and lets others run, now and then.
const maxTurnEvents = 10_000

// decision is what is to change about one instance, as one unit.
type decision struct {
	row       history.Instance      // the status row afterwards
	oldStatus history.RuntimeStatus // of the row before; history.Unknown when there was none
	rowKept   bool                  // row needs no rewriting
	erase     *history.Instance     // the instance that row.ID named before
	record    *history.Turn         // to append; most are the turn below
	turn      history.Turn
	drop      struct{ first, end uint32 } // records to erase, as in Delta.DropRecords
	state     *history.State              // the fold afterwards

	sent     []history.Message // to other instances, in order
	set      []store.Timer
	clear    []store.Timer
	schedule []*history.Event  // activities to run once this is durable
	oneTask  [1]*history.Event // room for schedule: most turns have one
	abandon  bool              // no result of a running activity is wanted any more
	ended    bool              // the execution is over and no other follows
	told     *told             // for the log, besides what is above; nil: nothing

	delta   store.Delta // what is stored of all that; empty until it is committed
	encoded store.Record
}

// isTurn reports whether the decision is a turn of its instance.
func (d *decision) isTurn() bool {
	return d.record != nil && (!d.record.Start() || d.drop.end > 0)
}

// begin creates an instance from its ExecutionStarted event. prev is the row
// that id has now, its Number 0 when there is none; it is erased.
func begin(ev history.Event, id history.InstanceID, number history.Number, execution history.ExecutionID, prev history.Instance) *decision {
	started := *ev.Started
	started.ExecutionID = execution
	if prev.Number != 0 {
		started.Generation = prev.Generation + 1
	}
	ev.Started = &started
	ev.ID = history.NoID
	ev.At = number.CreatedAt()

	d := &decision{
		row: history.Instance{
			Number: number, ID: id, ExecutionID: execution, Name: ev.Name, Version: ev.Version,
			Status: history.Pending, CreatedAt: ev.At, UpdatedAt: ev.At, ScheduledAt: started.ScheduledAt,
			Parent: started.Parent, Tags: started.Tags, Generation: started.Generation, Labels: labelsOf(started.Parent),
		},
		oldStatus: history.Unknown,
		turn:      history.Turn{Seq: 1, Events: []history.Event{ev}},
		state:     &history.State{},
	}
	d.record = &d.turn
	if prev.Number != 0 {
		erased := prev // a copy, so that only this case allocates one
		d.erase = &erased
	}
	if !started.ScheduledAt.IsZero() {
		d.set = []store.Timer{wakeTimer(&d.row)}
	}
	d.state.Apply(d.record)
	d.row.Events = d.state.Events
	return d
}

// labelsOf are the labels of an instance that starts with such a parent.
func labelsOf(parent *history.Parent) []string {
	if parent == nil || parent.Number == 0 {
		return nil
	}
	return []string{history.ParentLabel(parent.Number)}
}

// wakeTimer is the timer that wakes a scheduled start.
func wakeTimer(row *history.Instance) store.Timer {
	return store.Timer{Due: ceilMicro(row.ScheduledAt), Number: row.Number, ID: history.NoID, Instance: row.ID}
}

// timerOf is the row of the timer index behind a TimerCreated event.
func timerOf(row *history.Instance, created *history.Event) store.Timer {
	return store.Timer{Due: ceilMicro(created.FireAt), Number: row.Number, ID: created.ID, Instance: row.ID}
}

// ceilMicro rounds up to what the timer index holds, so that nothing is early.
func ceilMicro(t time.Time) time.Time {
	if cut := t.Truncate(time.Microsecond); cut.Before(t) {
		return cut.Add(time.Microsecond)
	}
	return t
}

// intake is the part of an inbox that a turn accepts.
type intake struct {
	turn       history.Turn // incoming events; none when nothing was accepted
	terminated *history.Event
	recursive  bool          // the children are to end too
	accepted   int           // messages looked at; the rest stays in the inbox
	ahead      time.Duration // the turn's time is of the clock's, since the clock was set back
}

// take decides, message by message and against the state that the ones before
// lead to, which events become part of the next turn (spec/runtime.md 3.3).
// Whatever it looks at and does not accept is dropped: it is for another execution,
// answers nothing that is open, or repeats what was applied.
func take(row *history.Instance, st *history.State, inbox []message, now time.Time) intake {
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
		if m.execution != "" && m.execution != row.ExecutionID {
			continue
		}
		ev := m.event
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
			if !terminates(&ev, row) {
				continue
			}
			in.recursive = in.recursive || ev.Recursive
			if in.terminated != nil {
				continue
			}
			in.terminated = &m.event
		default: // a second start; nothing else is ever sent
			continue
		}
		ev.ID = history.NoID
		in.turn.Events = append(in.turn.Events, ev)
	}
	return in
}

// answers reports whether done ends what scheduled began. A timer is known by
// its time too: a timer that an earlier execution gave up may still ring.
func answers(done, scheduled *history.Event) bool {
	return scheduled.Kind == done.Kind.Answers() &&
		(done.Kind != history.TimerFired || ceilMicro(scheduled.FireAt).Equal(done.FireAt))
}

// terminates reports whether ev is meant for row: a parent that ends its children
// ends no instance of somebody else that has the id of one, and when it was rewound none
// that it started since.
func terminates(ev *history.Event, row *history.Instance) bool {
	return ev.Instance == "" || row.Parent != nil && row.Parent.InstanceID == ev.Instance && row.Parent.TaskID == ev.TaskID &&
		(ev.Started == nil || row.Parent.ExecutionID == ev.Started.ExecutionID)
}

// setBack is how far a clock that is set back may leave an orchestrator's time ahead
// before timers are corrected: turns that follow each other closely are ahead by less.
const setBack = time.Millisecond

// turnTime is the orchestrator's now: it advances with every turn, whatever the
// clock does (spec/runtime.md 2.10).
func turnTime(last, now time.Time) time.Time {
	if now = history.Truncate(now); now.After(last) {
		return now
	}
	return last.Add(100 * time.Nanosecond)
}

// finish decides a turn in which user code ran, or which suspension kept it
// from running. version is the default for children that ask for none;
// execution names the next execution, should there be one.
func finish(row history.Instance, st *history.State, in intake, out history.Outcome, version string, execution history.ExecutionID) *decision {
	d := &decision{row: row, oldStatus: row.Status, state: st, turn: in.turn}
	turn := &d.turn
	d.record = turn
	firstTurn := st.Turns == 0
	for i := range turn.Events {
		if turn.Events[i].Kind == history.TimerFired {
			d.clear = append(d.clear, timerOf(&row, st.Open[turn.Events[i].TaskID]))
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
		d.clear = append(d.clear, wakeTimer(&row))
	}
	if out.CustomStatus != nil {
		d.row.CustomStatus = *out.CustomStatus
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
	d.settleRow(&row)
	return d
}

// terminate decides a turn that ends the instance without running its code
// (spec/runtime.md 5.4).
func terminate(row history.Instance, st *history.State, in intake) *decision {
	d := &decision{row: row, oldStatus: row.Status, state: st, turn: in.turn}
	turn, reason := &d.turn, in.terminated.Payload
	if st.Turns == 0 && !row.ScheduledAt.IsZero() {
		d.clear = append(d.clear, wakeTimer(&row))
	}
	turn.Events = append(turn.Events, history.Event{
		Kind: history.ExecutionCompleted, ID: history.NoID, At: turn.At, Status: history.Terminated, Payload: reason,
	})
	for i := range turn.Events { // a fired timer leaves Open when the turn is applied, its row must go all the same
		if ev := &turn.Events[i]; ev.Kind == history.TimerFired {
			d.clear = append(d.clear, timerOf(&row, st.Open[ev.TaskID]))
		}
	}
	d.record = turn
	st.Apply(turn)
	d.end(history.Terminated, reason, nil)
	if in.recursive {
		d.endChildren(reason)
	}
	d.settleRow(&row)
	return d
}

// endChildren hands a termination on to the children that are waited for. It
// follows their starts on the same way, so none slips through. The others, if there
// may be any, are looked up later.
func (d *decision) endChildren(reason json.RawMessage) {
	var told []int32
	for _, task := range slices.Sorted(maps.Keys(d.state.Open)) {
		child := d.state.Open[task]
		if child.Kind != history.SubOrchestrationInstanceCreated {
			continue
		}
		d.send(child.Instance, "", history.Event{
			Kind: history.ExecutionTerminated, At: d.state.At, Payload: reason, Recursive: true,
			Instance: d.row.ID, TaskID: task,
		})
		told = append(told, task)
	}
	if d.state.Children || d.state.First > 1 {
		ev := endTree(&d.row, d.state.At, reason)
		ev.Tasks, ev.Started.ExecutionID = told, d.row.ExecutionID
		d.send(d.row.ID, "", ev)
	}
}

// payloads returns how many bytes of payloads the decision stores, about.
func (d *decision) payloads() (bytes int) {
	if d == nil {
		return 0
	}
	if d.record != nil {
		for i := range d.record.Events {
			bytes += len(d.record.Events[i].Payload)
		}
	}
	for i := range d.sent {
		bytes += len(d.sent[i].Event.Payload)
	}
	return bytes
}

// act records an action in the turn and notes its effects. A timer that is to fire
// some time after the turn does so by the clock, of which the turn's time may be ahead.
func (d *decision) act(a *history.Action, turn *history.Turn, version string, ahead time.Duration) {
	if a.Kind == history.CancelTimer {
		turn.Canceled = append(turn.Canceled, a.ID)
		if created, ok := d.state.Open[a.ID]; ok {
			d.clear = append(d.clear, timerOf(&d.row, created))
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
		d.set = append(d.set, timerOf(&d.row, &ev))
	case history.SendEvent:
		d.send(a.Instance, "", history.Event{Kind: history.EventRaised, Name: a.Name, Payload: a.Payload, At: turn.At})
	case history.StartSubOrchestration:
		d.startChild(&ev)
	}
}

// cancelNew forgets a timer that this very turn created.
func (d *decision) cancelNew(id int32) {
	d.set = slices.DeleteFunc(d.set, func(t store.Timer) bool { return t.ID == id })
}

func (d *decision) send(to history.InstanceID, execution history.ExecutionID, ev history.Event) {
	ev.ID = history.NoID
	d.sent = append(d.sent, history.Message{To: to, ExecutionID: execution, Event: ev})
}

// startChild sends the start that a SubOrchestrationInstanceCreated event records.
func (d *decision) startChild(created *history.Event) {
	started := new(history.Started)
	if created.Started != nil {
		started.Tags = created.Started.Tags
	}
	if len(d.row.Tags) > 0 {
		tags := maps.Clone(d.row.Tags)
		maps.Copy(tags, started.Tags)
		started.Tags = tags
	}
	if !created.FireAndForget {
		started.Parent = parentOf(&d.row, created.ID)
	}
	d.send(created.Instance, "", history.Event{
		Kind: history.ExecutionStarted, Name: created.Name, Version: created.Version, Payload: created.Payload, At: created.At, Started: started,
	})
}

// live settles the status of an execution that goes on.
func (d *decision) live(events []history.Event) {
	if !d.state.Suspended {
		d.row.Status, d.row.Reason = history.Running, nil
		return
	}
	d.row.Status = history.Suspended
	for i := range events {
		if events[i].Kind == history.ExecutionSuspended {
			d.row.Reason = events[i].Payload
		}
	}
}

func (d *decision) scheduleTasks(events []history.Event) {
	d.schedule = d.oneTask[:0]
	for i := range events {
		if events[i].Kind == history.TaskScheduled {
			d.schedule = append(d.schedule, &events[i])
		}
	}
}

// end closes the instance: nothing that is open will be waited for, and a
// waiting parent is told.
func (d *decision) end(status history.RuntimeStatus, payload json.RawMessage, failure *history.Failure) {
	d.row.Status, d.row.Reason = status, nil
	d.row.CompletedAt = d.state.At
	d.abandonOpen()
	d.ended = true
	if d.row.Parent == nil {
		return
	}
	d.send(d.row.Parent.InstanceID, d.row.Parent.ExecutionID, childEnded(d.row.Parent.TaskID, d.state.At, status, payload, failure))
}

// childEnded is the event that tells a parent how its child ended.
func childEnded(task int32, at time.Time, status history.RuntimeStatus, payload json.RawMessage, failure *history.Failure) history.Event {
	ev := history.Event{Kind: history.SubOrchestrationInstanceFailed, At: at, TaskID: task, Failure: failure}
	switch status {
	case history.Completed:
		ev.Kind, ev.Payload = history.SubOrchestrationInstanceCompleted, payload
	case history.Terminated:
		ev.Failure = &history.Failure{Type: history.FailureTerminated, Message: reasonText(payload)}
	}
	return ev
}

// reasonText is a reason as a person wrote it.
func reasonText(reason json.RawMessage) string {
	var text string
	if json.Unmarshal(reason, &text) == nil {
		return text
	}
	return string(reason)
}

// inOrder returns scheduling events by their sequence id.
func inOrder(open map[int32]*history.Event) []*history.Event {
	events := make([]*history.Event, 0, len(open))
	for _, ev := range open {
		events = append(events, ev)
	}
	slices.SortFunc(events, func(a, b *history.Event) int { return cmp.Compare(a.ID, b.ID) })
	return events
}

// abandonOpen gives up what the execution has scheduled: timers are cleared,
// activities that have not started will not.
func (d *decision) abandonOpen() {
	for _, ev := range inOrder(d.state.Open) {
		if ev.Kind == history.TimerCreated {
			d.clear = append(d.clear, timerOf(&d.row, ev))
		}
	}
	d.set = nil
	d.abandon = true
}

// continueAsNew replaces the history by the start record of the next execution
// (spec/runtime.md 2.8).
func (d *decision) continueAsNew(end *history.Action, execution history.ExecutionID) {
	d.abandonOpen()
	old := d.state
	started := *old.Started.Started
	started.ExecutionID = execution
	started.Generation = d.row.Generation + 1
	started.ScheduledAt = time.Time{}
	started.Keys, started.KeyTimes = old.Keys.List(d.turn.At)
	started.Parent = d.row.Parent // of now: it may have been rewound
	d.row.Generation = started.Generation
	d.row.ExecutionID = execution
	d.row.ScheduledAt = time.Time{}
	d.row.Status, d.row.Reason = history.Running, nil
	if end.Version != "" {
		d.row.Version = end.Version
	}
	events := []history.Event{{
		Kind: history.ExecutionStarted, ID: history.NoID, At: d.turn.At,
		Name: d.row.Name, Version: d.row.Version, Payload: end.Payload, Started: &started,
	}}
	for _, ev := range end.Carry {
		ev.Key = "" // its key is in started.Keys already
		events = append(events, ev)
	}
	d.record = &history.Turn{Seq: d.turn.Seq, Events: events}
	d.drop.first, d.drop.end = old.First, d.turn.Seq
	d.state = &history.State{}
	d.state.Apply(d.record)
}

// settleRow sets UpdatedAt and Events if anything else of the row changed, and
// notes when nothing did.
func (d *decision) settleRow(old *history.Instance) {
	d.rowKept = d.row.Status == old.Status && d.row.ExecutionID == old.ExecutionID &&
		string(d.row.CustomStatus) == string(old.CustomStatus) && string(d.row.Reason) == string(old.Reason)
	if !d.rowKept {
		d.row.UpdatedAt, d.row.Events = d.state.At, d.state.Events
	}
}

// work is the flag that the decision leaves: set while there is something that
// neither a message nor a timer will bring back (see Delta.Work).
func (d *decision) work() bool {
	return !d.ended && d.state != nil && (d.state.Tasks > 0 || len(d.state.Waiting) > 0 && d.row.ScheduledAt.IsZero())
}

// replace makes a start end the live instance that has its id (spec/runtime.md
// 5.1): its timers go, and its parent is told.
func (d *decision) replace(old *history.Instance, st *history.State) {
	d.giveUp(old, st)
	d.tellParent(old, "replaced", d.row.CreatedAt)
}

// giveUp clears what a live instance that goes has scheduled.
func (d *decision) giveUp(old *history.Instance, st *history.State) {
	was := &decision{row: *old, state: st}
	was.abandonOpen()
	if st.Turns == 0 && !old.ScheduledAt.IsZero() {
		was.clear = append(was.clear, wakeTimer(old))
	}
	d.clear, d.abandon = was.clear, true
}

// tellParent tells the parent of a live instance that goes, if one waits, that it
// was terminated.
func (d *decision) tellParent(old *history.Instance, reason string, at time.Time) {
	if parent := old.Parent; parent != nil {
		d.send(parent.InstanceID, parent.ExecutionID, childEnded(parent.TaskID, at, history.Terminated, reasonPayload(reason), nil))
	}
}

// erase decides that the instance goes without a trace (spec/runtime.md 5.9). st is the
// fold of a live one, nil when it has ended.
func erase(row history.Instance, st *history.State) *decision {
	d := &decision{erase: &row, rowKept: true, ended: true}
	if st != nil {
		d.giveUp(&row, st)
	}
	return d
}
