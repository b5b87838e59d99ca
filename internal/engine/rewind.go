package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file lets a Failed instance go on: cut, keep facts, re-arm
// (spec/runtime.md 5.7, docs/adr/0007-rewind.md). The history is cut before the turn
// in which the first of the failures to undo arrived. What had happened by then or later
// without the code's doing, and answers what is left, is kept in a new start record and
// delivered again: raised events, results. What is still open is armed again.

// maxRetained is how many events a Failed instance keeps for a rewind.
const maxRetained = 1000

// Rewind lets a Failed instance go on from before its failure, and its failed
// children with it. When it returns nil the instance is durably Pending; the
// children follow. Errors: ErrInvalidArgument, ErrNotFound, ErrInvalidState if it is
// not Failed or the id of a child that must be started again belongs to another live
// instance, ErrUnavailable.
//
// What it does is decided when it is called, from the children as they are then;
// [Engine.PlanRewind] decides in the same way from what is there when that is
// called.
func (e *Engine) Rewind(ctx context.Context, id history.InstanceID, req hub.RewindRequest) error {
	if id == "" {
		return fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	}
	if err := refuse("reason", history.CheckReason(reasonPayload(req.Reason))); err != nil {
		return err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	p := t.partition(id)
	inst, err := p.claim(ctx, id)
	if err != nil {
		return err
	}
	refused := refuseRewind(id, &inst.row)
	var d *decision
	if refused == nil {
		d, refused, err = t.rewind(ctx, inst, req)
	}
	stored := newAnswer()
	var sent []routed
	p.mu.Lock()
	switch {
	case p.dead:
		err = hub.ErrUnavailable
	case err != nil:
	case refused != nil:
		t.commits.add(nil, func(err error) { stored.give(errors.Join(err, refused)) })
	default:
		sent = t.commit(inst, d, nil, stored.give)
	}
	p.mu.Unlock()
	t.route(sent) // before anybody else decides about it: what it sends stays in order
	p.mu.Lock()
	p.yield(inst)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return stored.wait(ctx)
}

// rewind decides a rewind of an instance that the caller has claimed: refused is why it
// cannot be, err why its past could not be read.
func (t *tenure) rewind(ctx context.Context, inst *instance, req hub.RewindRequest) (d *decision, refused, err error) {
	records, err := t.settled(ctx, inst)
	if err != nil {
		return nil, nil, err
	}
	children, err := childRowsOf(ctx, t.store, records)
	if err != nil {
		return nil, nil, err
	}
	d, _, refused = rewind(inst.row, records, req, nil, t.now(), history.NewExecutionID(), children)
	return d, refused, nil
}

// PlanRewind tells what [Engine.Rewind] would do now, with the same errors. It
// changes nothing.
func (e *Engine) PlanRewind(ctx context.Context, id history.InstanceID, req hub.RewindRequest) (hub.RewindPlan, error) {
	for {
		row, _, err := e.store.FindInstance(ctx, id)
		if err != nil {
			return hub.RewindPlan{}, fmt.Errorf("find instance %s: %w", id, err)
		}
		if err := refuseRewind(id, &row); err != nil {
			return hub.RewindPlan{}, err
		}
		records, err := collect(readRecords(ctx, e.store, row.Number))
		if err != nil {
			return hub.RewindPlan{}, err
		}
		if failed(records) { // else it was rewound, replaced or purged between the two reads
			children, err := childRowsOf(ctx, e.store, records)
			if err != nil {
				return hub.RewindPlan{}, err
			}
			_, plan, err := rewind(row, records, req, nil, e.options.Now(), "", children)
			return plan, err
		}
	}
}

func refuseRewind(id history.InstanceID, row *history.Instance) error {
	switch {
	case row.Number == 0:
		return fmt.Errorf("%w: %q", hub.ErrNotFound, id)
	case row.Status != history.Failed:
		return fmt.Errorf("%w: %q is %s; only a Failed instance can be rewound", hub.ErrInvalidState, id, row.Status)
	}
	return nil
}

// settled reads the records of a claimed instance once all that was decided
// about it is durable.
func (t *tenure) settled(ctx context.Context, inst *instance) ([]history.Turn, error) {
	durable := newAnswer()
	t.commits.add(nil, durable.give)
	if err := durable.wait(ctx); err != nil {
		return nil, err
	}
	return t.records(ctx, inst)
}

// records reads the records of a Failed instance and drops what the executor
// may still have of it.
func (t *tenure) records(ctx context.Context, inst *instance) ([]history.Turn, error) {
	records, err := collect(readRecords(ctx, t.store, inst.row.Number))
	if err == nil && !failed(records) {
		err = fmt.Errorf("instance %s is Failed but its history does not say so", inst.id)
	}
	t.forgetCode(inst.row.Number)
	return records, err
}

func collect(records iter.Seq2[history.Turn, error]) ([]history.Turn, error) {
	var all []history.Turn
	for record, err := range records {
		if err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	return all, nil
}

// failed reports whether records are those of an execution that failed.
func failed(records []history.Turn) bool {
	ended := lastEvent(records)
	return ended != nil && ended.Kind == history.ExecutionCompleted && ended.Status == history.Failed
}

func lastEvent(records []history.Turn) *history.Event {
	if len(records) == 0 || len(records[len(records)-1].Events) == 0 {
		return nil
	}
	events := records[len(records)-1].Events
	return &events[len(events)-1]
}

// rewind decides how a Failed instance goes on as execution, for parent if that
// is not nil, and tells what that undoes. records are all of its history. An error says
// why it would be of no use; the decision is good all the same.
func rewind(row history.Instance, records []history.Turn, req hub.RewindRequest, parent *history.Parent, now time.Time, execution history.ExecutionID, children childRows) (*decision, hub.RewindPlan, error) {
	past := survey(records)
	undone := past.undo(req.All)
	turn := past.cut(undone)
	rest := past.divide(turn, undone)
	last := &records[len(records)-1]
	marker := history.Event{
		Kind: history.ExecutionRewound, ID: history.NoID, At: turnTime(last.At, now), Payload: reasonPayload(req.Reason),
		Tasks: slices.Sorted(maps.Keys(undone)), Recursive: req.All,
		Started: &history.Started{ExecutionID: execution, Parent: parent},
	}
	first := past.turns[turn] // record from which on all is replaced
	record := history.Turn{Seq: records[first].Seq, Events: slices.Concat(rest.head, []history.Event{marker}, rest.facts)}
	d := &decision{row: row, oldStatus: row.Status, record: &record}
	d.drop.first, d.drop.end = record.Seq, last.Seq+1

	fold := func() {
		d.state = new(history.State)
		for i := range records[:first] {
			d.state.Apply(&records[i])
		}
		d.state.Apply(&record)
	}
	fold()
	children = children.afterEnding(&row, rest.children)
	fates := children.fates(&row, d.state, past, undone)
	calls := callsAgain(&row, d.state, fates, &marker)
	if len(calls) > 0 {
		record.Events = slices.Concat(rest.head, []history.Event{marker}, calls, rest.facts)
		fold()
	}
	d.row.Status, d.row.ExecutionID = history.Pending, execution
	d.row.CompletedAt, d.row.ScheduledAt = time.Time{}, time.Time{}
	d.row.UpdatedAt, d.row.Events = marker.At, d.state.Events
	if parent != nil {
		d.row.Parent = parent
	}
	plan := hub.RewindPlan{Instance: row.ID, Undone: past.describe(undone), Turn: turn + 1, Dropped: rest.dropped, Delivered: len(rest.facts)}
	for _, created := range rest.children {
		d.send(created.Instance, "", history.Event{
			Kind: history.ExecutionTerminated, At: marker.At, Payload: json.RawMessage(`"its parent was rewound to before its start"`), Recursive: true,
			Instance: row.ID, TaskID: created.ID, Started: &history.Started{ExecutionID: row.ExecutionID},
		})
		plan.Terminated = append(plan.Terminated, created.Instance)
	}
	d.rearm(&marker, fates)
	plan.Activities, plan.Timers = len(d.schedule), len(d.set)
	return d, plan, tellChildren(&plan, past, fates, undone, children)
}

// rearm lets everything that is open happen again.
func (d *decision) rearm(marker *history.Event, fates map[int32]fate) {
	open := slices.Sorted(maps.Keys(d.state.Open))
	for _, id := range open {
		switch ev := d.state.Open[id]; ev.Kind {
		case history.TaskScheduled:
			d.schedule = append(d.schedule, ev)
		case history.TimerCreated:
			d.set = append(d.set, timerOf(&d.row, ev))
		case history.SubOrchestrationInstanceCreated:
			switch fates[id] {
			case follow, keep:
				d.send(ev.Instance, "", history.Event{
					Kind: history.ExecutionRewound, At: marker.At, Payload: marker.Payload, Recursive: marker.Recursive,
					Started: &history.Started{Parent: parentOf(&d.row, id)},
				})
			case lost:
				d.send(d.row.ID, d.row.ExecutionID, missing(ev.Instance, id, marker.At))
			}
		}
	}
	for _, id := range open { // after the children that tell their end have been asked: one may have that id
		if fates[id] == again {
			d.startChild(d.state.Open[id])
		}
	}
}

// missing answers a call whose child cannot go on since it is not there.
func missing(child history.InstanceID, task int32, at time.Time) history.Event {
	return childEnded(task, at, history.Failed, nil, &history.Failure{
		Type:         history.FailureMissing,
		Message:      fmt.Sprintf("sub-orchestration %q cannot be rewound: it was purged or replaced, or never was a child of this call", child),
		NonRetriable: true,
	})
}

// parentOf tells the child of the call task who waits for it.
func parentOf(row *history.Instance, task int32) *history.Parent {
	return &history.Parent{InstanceID: row.ID, ExecutionID: row.ExecutionID, Name: row.Name, Version: row.Version, TaskID: task, Number: row.Number}
}

// past is the history of an execution that failed.
type past struct {
	turns  []int            // for each turn the index of its first record
	events []moment         // all of them
	calls  map[int32]moment // by sequence id: the turn that made it, and the newest event about it
	ended  *history.Event
}

// moment is an event and the turn in which it came, from 0.
type moment struct {
	turn  int
	event *history.Event
}

func survey(records []history.Turn) *past {
	p := &past{calls: make(map[int32]moment), ended: lastEvent(records)}
	begun := false // the newest turn has only a start record so far
	for i := range records {
		if !begun {
			p.turns = append(p.turns, i)
		}
		begun = records[i].Start()
		for k := range records[i].Events {
			m := moment{len(p.turns) - 1, &records[i].Events[k]}
			p.events = append(p.events, m)
			if m.event.Kind.Scheduling() {
				if call, ok := p.calls[m.event.ID]; ok { // made again by a rewind
					m.turn = call.turn
				}
				p.calls[m.event.ID] = m
			}
		}
	}
	return p
}

// undo returns the failures to undo, by the call that failed: those that the
// execution's end names, else those of the latest turn that brought any. A
// failure that replay found itself is the code's alone.
func (p *past) undo(all bool) map[int32]moment {
	failures, named, latest := make(map[int32]moment), make(map[int32]moment), make(map[int32]moment)
	turn := -1
	for _, m := range p.events {
		if !m.event.Kind.Fails() {
			continue
		}
		id := m.event.TaskID
		failures[id] = m
		if slices.Contains(p.ended.Tasks, id) {
			named[id] = m
		}
		if m.turn > turn {
			turn = m.turn
			clear(latest)
		}
		latest[id] = m
	}
	switch {
	case all:
		return failures
	case len(named) > 0:
		return named
	case foundByReplay(p.ended.Failure):
		return nil
	}
	return latest
}

func foundByReplay(failure *history.Failure) bool {
	if failure == nil {
		return false
	}
	switch failure.Type {
	case history.FailureNonDeterministic, history.FailureActionLimit, history.FailureMisuse:
		return true
	}
	return false
}

// cut returns the turn in which the first of the failures came, the last turn
// when there are none.
func (p *past) cut(undone map[int32]moment) int {
	turn := len(p.turns) - 1
	for _, m := range undone {
		turn = min(turn, m.turn)
	}
	return turn
}

// remains are what becomes of the events from the cut on.
type remains struct {
	head     []history.Event  // how the execution began, earlier rewinds and calls that they made again
	facts    []history.Event  // to deliver again, in order
	dropped  int              // events, the failures and the end aside
	children []*history.Event // that nothing has answered and nobody will wait for
}

func (p *past) divide(cut int, undone map[int32]moment) remains {
	var r remains
	answered := make(map[int32]bool)
	for _, m := range p.events {
		ev := m.event
		if ev.Kind.Class() == history.Answer {
			answered[ev.TaskID] = true
		}
		if m.turn < cut {
			continue
		}
		switch ev.Kind.Class() {
		case history.Beginning:
			r.head = append(r.head, *ev)
		case history.Raised, history.Control:
			if ev.Kind != history.ExecutionTerminated {
				r.facts = append(r.facts, *ev)
			}
		case history.Answer:
			_, failure := undone[ev.TaskID]
			call, known := p.calls[ev.TaskID]
			switch {
			case failure:
			case known && call.turn < cut:
				r.facts = append(r.facts, *ev)
			default:
				r.dropped++
			}
		case history.Scheduling:
			if p.calls[ev.ID].turn < cut {
				r.head = append(r.head, *ev)
			} else {
				r.dropped++
			}
		}
	}
	for _, m := range p.events {
		if ev := m.event; ev.Kind == history.SubOrchestrationInstanceCreated && p.calls[ev.ID].turn >= cut && !ev.FireAndForget && !answered[ev.ID] {
			r.children = append(r.children, ev)
		}
	}
	return r
}

// describe tells of the failures to undo, in order of their calls.
func (p *past) describe(undone map[int32]moment) []hub.Undone {
	var list []hub.Undone
	for _, id := range slices.Sorted(maps.Keys(undone)) {
		call := p.calls[id].event
		list = append(list, hub.Undone{Task: id, Kind: call.Kind, Name: call.Name, Instance: call.Instance, Failure: undone[id].event.Failure})
	}
	return list
}

// retain decides what a Failed instance keeps of inbox: events, which a rewind
// will deliver (spec/runtime.md 5.7, step 8). They go into the last record, before
// the end. It returns nil when there is nothing to keep.
func retain(row history.Instance, records []history.Turn, inbox []message) *decision {
	st := &history.State{}
	for i := range records {
		st.Apply(&records[i])
	}
	last := records[len(records)-1]
	end := len(last.Events) - 1
	room := maxRetained
	for i := end - 1; i >= 0 && last.Events[i].Kind == history.EventRaised; i-- {
		room--
	}
	events := last.Events[:end:end]
	var keys history.Keys
	for i := range inbox {
		ev := inbox[i].event
		if ev.Kind != history.EventRaised || room <= 0 || keys.Taken(ev.Key, ev.At) || st.Keys.Taken(ev.Key, ev.At) {
			continue
		}
		keys.Take(ev.Key, ev.At)
		ev.ID = history.NoID
		events = append(events, ev)
		room--
	}
	if len(events) == end {
		return nil
	}
	last.Events = append(events, last.Events[end])
	d := &decision{row: row, rowKept: true, record: &last, ended: true}
	d.drop.first, d.drop.end = last.Seq, last.Seq+1
	return d
}

// afterEnd decides about messages for an instance that is absent or has ended:
// they are of no use, save events for a Failed one.
func (t *tenure) afterEnd(inst *instance, batch []message) (d *decision, consumed []store.MessageKey, left []message, err error) {
	if inst.row.Status == history.Failed && findKind(batch, history.EventRaised) >= 0 {
		records, err := t.records(t.ctx, inst)
		if err != nil {
			return nil, nil, batch, err
		}
		d = retain(inst.row, records, batch)
	}
	if d == nil {
		t.log.Debug("messages dropped: instance is absent or has ended", "instance", inst.id, "messages", len(batch))
	}
	return d, keys(batch), nil, nil
}

// parentRewound decides what a child does when the call that waits for it waits
// again: ev says for whom. A Failed child is rewound too, one that has ended
// otherwise tells its end again, and a live one learns whom to tell.
func (t *tenure) parentRewound(inst *instance, ev *history.Event) (*decision, error) {
	parent, own := ev.Started.Parent, inst.row.Parent
	d := &decision{row: inst.row, oldStatus: inst.row.Status, rowKept: true, state: inst.state}
	tell := func(answer history.Event) { d.send(parent.InstanceID, parent.ExecutionID, answer) }
	switch {
	case !inst.exists() || !sameCall(own, parent):
		tell(missing(inst.id, parent.TaskID, history.Truncate(t.now())))
	case inst.row.Status == history.Failed:
		records, err := t.records(t.ctx, inst)
		if err != nil {
			return nil, err
		}
		reason := hub.RewindRequest{All: ev.Recursive}
		if ev.Payload != nil {
			reason.Reason = reasonText(ev.Payload)
		}
		if err := t.barrier(t.ctx); err != nil {
			return nil, err
		}
		children, err := childRowsOf(t.ctx, t.store, records)
		if err != nil {
			return nil, err
		}
		d, _, _ = rewind(inst.row, records, reason, parent, t.now(), history.NewExecutionID(), children) // of no use or not, its parent waits
	case inst.row.Status.Terminal():
		ended, err := t.lastEvent(inst)
		if err != nil {
			return nil, err
		}
		tell(childEnded(parent.TaskID, history.Truncate(t.now()), inst.row.Status, ended.Payload, nil))
	default:
		d.row.Parent, d.rowKept = parent, false
	}
	return d, nil
}

// lastEvent reads how an instance ended.
func (t *tenure) lastEvent(inst *instance) (*history.Event, error) {
	rec, _, err := t.store.LastRecord(t.ctx, inst.row.Number)
	if err != nil {
		return nil, fmt.Errorf("read the last record of instance %s: %w", inst.id, err)
	}
	turn, err := history.DecodeTurn(rec.Seq, rec.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the last record of instance %s: %w", inst.id, err)
	}
	ended := lastEvent([]history.Turn{turn})
	if ended == nil {
		return nil, fmt.Errorf("instance %s has ended but its history does not say how", inst.id)
	}
	return ended, nil
}

// findStrayTermination returns the place of the first message before start (-1: there is
// none) that a parent sent to end a child, and that row is not, or not any more; -1 if
// there is none. It must not reach the one that starts next.
func findStrayTermination(row *history.Instance, batch []message, start int) int {
	if start < 0 {
		start = len(batch)
	}
	return slices.IndexFunc(batch[:start], func(m message) bool {
		return m.event.Kind == history.ExecutionTerminated && m.event.Instance != "" && (row.Status.Terminal() || !terminates(&m.event, row))
	})
}
