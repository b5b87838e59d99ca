package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// Export returns an instance with the history of its current execution, or
// ErrNotFound; ErrInvalidState names an event that no archive can hold. The
// archive is one consistent picture of what is durable. Events that were raised
// and that no turn has taken in yet stand in it as a start record: where it is
// imported, they are taken in first. Not in it are the instance's children.
func (e *Engine) Export(ctx context.Context, id history.InstanceID) (hub.Archive, error) {
	a, err := e.archive(ctx, id)
	if err != nil {
		return hub.Archive{}, err
	}
	for i := range a.Turns {
		if err := exportable(&a.Turns[i]); err != nil {
			return hub.Archive{}, fmt.Errorf("export instance %s: %w", id, err)
		}
	}
	return a, nil
}

// archive is Export before anybody has looked whether all of it can be written.
func (e *Engine) archive(ctx context.Context, id history.InstanceID) (hub.Archive, error) {
	for {
		row, ok, err := e.store.FindInstance(ctx, id)
		if err != nil {
			return hub.Archive{}, fmt.Errorf("find instance %s: %w", id, err)
		}
		if !ok || row.Status.Terminal() {
			return e.picture(ctx, id)
		}
		last, waiting, err := e.raised(ctx, &row)
		if err != nil {
			return hub.Archive{}, err
		}
		a, err := e.picture(ctx, id)
		if err != nil {
			return hub.Archive{}, err
		}
		a.Turns = slices.DeleteFunc(a.Turns, func(t history.Turn) bool { return t.Seq > last })
		if reflect.DeepEqual(row, a.Instance) && len(a.Turns) > 0 {
			await(&a, waiting)
			return a, nil
		}
		if last == 0 {
			return a, nil // a row without a history
		}
		// It went on between the reads.
	}
}

// raised returns the events that wait for an instance in its inbox, and the newest of
// its records, in which they are not.
func (e *Engine) raised(ctx context.Context, row *history.Instance) (last uint32, waiting []message, err error) {
	for {
		before, _, err := e.store.LastRecord(ctx, row.Number)
		if err != nil {
			return 0, nil, fmt.Errorf("read the last record of instance %s: %w", row.ID, err)
		}
		waiting = nil
		for m, err := range e.store.Inbox(ctx, history.PartitionOf(row.ID, e.store.Partitions())) {
			if err != nil {
				return 0, nil, fmt.Errorf("read the inbox of instance %s: %w", row.ID, err)
			}
			decoded, err := history.DecodeMessage(m.Bytes)
			if err != nil {
				return 0, nil, fmt.Errorf("read the inbox of instance %s: message %d from %d: %w", row.ID, m.Seq, m.From, err)
			}
			if decoded.To == row.ID && decoded.Event.Kind == history.EventRaised {
				waiting = append(waiting, message{execution: decoded.ExecutionID, event: decoded.Event})
			}
		}
		after, _, err := e.store.LastRecord(ctx, row.Number)
		if err != nil {
			return 0, nil, fmt.Errorf("read the last record of instance %s: %w", row.ID, err)
		}
		if before.Seq == after.Seq {
			return after.Seq, waiting, nil
		}
	}
}

// await puts what a turn would accept of an inbox into the start record at the end of
// an archive, which there may be already.
func await(a *hub.Archive, inbox []message) {
	st := &history.State{}
	for i := range a.Turns {
		st.Apply(&a.Turns[i])
	}
	var events []history.Event
	for len(inbox) > 0 {
		in := take(&a.Instance, st, inbox, st.At)
		st.Apply(&in.turn) // for the idempotency keys
		events = append(events, in.turn.Events...)
		inbox = inbox[in.accepted:]
	}
	last := &a.Turns[len(a.Turns)-1]
	switch {
	case len(events) == 0:
	case last.Start():
		last.Events = append(last.Events, events...)
	default:
		a.Turns = append(a.Turns, history.Turn{Seq: last.Seq + 1, Events: events})
	}
}

// picture is what is recorded of an instance.
func (e *Engine) picture(ctx context.Context, id history.InstanceID) (hub.Archive, error) {
	for {
		row, ok, err := e.store.FindInstance(ctx, id)
		if err != nil {
			return hub.Archive{}, fmt.Errorf("find instance %s: %w", id, err)
		}
		if !ok {
			return hub.Archive{}, fmt.Errorf("%w: %q", hub.ErrNotFound, id)
		}
		a := hub.Archive{Instance: row}
		for turn, err := range readRecords(ctx, e.store, row.Number) {
			if err != nil {
				return hub.Archive{}, err
			}
			a.Turns = append(a.Turns, turn)
		}
		again, ok, err := e.store.FindInstance(ctx, id)
		if err != nil {
			return hub.Archive{}, fmt.Errorf("find instance %s: %w", id, err)
		}
		if ok && reflect.DeepEqual(row, again) {
			return a, nil
		}
		// It went on between the reads, which may not fit each other.
	}
}

// exportable reports which event of a turn would spoil an archive. Older builds let
// such payloads in.
func exportable(turn *history.Turn) error {
	for i := range turn.Events {
		if err := history.CheckEncoded(turn.Events[i].Payload); err != nil {
			return fmt.Errorf("%w: record %d, event %d (%s): its payload cannot be written: %w", hub.ErrInvalidState, turn.Seq, i+1, turn.Events[i].Kind, err)
		}
	}
	return nil
}

// Import stores an archive as an instance of this hub and returns its id. When
// it returns nil the instance is durable. Errors: ErrInvalidArgument, naming the
// turn and the event that make no sense; ErrAlreadyExists, ErrResourceExhausted,
// ErrUnavailable.
//
// The instance is listed, and found by its creation time, where it was imported;
// its row shows the times of the original. One that has ended is stored as it
// was, and nobody is told. A live one goes on here: activities without a result
// run (again), timers are set at their own times. It is an execution of its own
// from then on: what is sent to the original does not reach it, it has no
// parent, and children that it waits for, which did not come with it, fail with
// [history.FailureMissing].
func (e *Engine) Import(ctx context.Context, req hub.ImportRequest) (history.InstanceID, error) {
	moved, err := checkImport(&req)
	if err != nil {
		return "", err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return "", err
	}
	bytes := moved.bytes()
	if err := t.admission.admit(ctx, bytes); err != nil {
		return "", err
	}
	defer t.admission.release(bytes)
	return moved.row.ID, t.receive(ctx, moved, req.Reuse)
}

// arrival is an archive that has been checked, on its way into the hub.
type arrival struct {
	row     history.Instance
	state   *history.State
	last    *history.Turn
	earlier []store.Record // before last
}

func (a *arrival) bytes() (bytes int) {
	for i := range a.earlier {
		bytes += len(a.earlier[i].Bytes)
	}
	for i := range a.last.Events {
		bytes += eventBytes(&a.last.Events[i])
	}
	return bytes
}

// receive stores an arrival.
func (t *tenure) receive(ctx context.Context, a *arrival, reuse hub.Reuse) error {
	p := t.partition(a.row.ID)
	inst, err := p.take(ctx, a.row.ID, reuse == hub.ReplaceAny)
	if blocked := new(blockedError); errors.As(err, &blocked) { // it lives, as others do
		return t.found(ctx, &blocked.row, reuse, nil)
	}
	if err != nil {
		return err
	}
	stored := newAnswer()
	refused := refusal(&inst.row, reuse)
	kept := inst.exists() && reuse == hub.ReturnExisting
	if refused == nil && !kept && inst.exists() && !inst.row.Status.Terminal() {
		err = t.load(inst) // its timers and its parent must learn of the end
	}
	leave, late := t.large.enter(ctx, a.bytes())
	defer leave()
	err = cmp.Or(err, late)
	p.mu.Lock()
	var sent []routed
	switch {
	case p.dead:
		err = hub.ErrUnavailable
	case err != nil:
	case refused != nil || kept:
		// What is known of the instance may not be durable yet, so the answer
		// waits its turn.
		t.commits.add(nil, func(err error) { stored.give(errors.Join(err, refused)) })
	default:
		sent = t.adopt(inst, a, stored.give)
	}
	p.yield(inst)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	t.route(sent)
	return stored.wait(ctx)
}

// adopt commits an arrival in place of what inst was. mu is held.
func (t *tenure) adopt(inst *instance, a *arrival, done func(error)) []routed {
	p := inst.partition
	d := a.decide(p.newNumber(t.now()), inst.row)
	var consumed []store.MessageKey
	if inst.exists() { // what its inbox holds was for the one that is replaced
		consumed = inst.clearInbox(nil)
	}
	if inst.state != nil {
		d.replace(&inst.row, inst.state)
		t.forgetCode(inst.row.Number)
	}
	d.delta = store.Delta{Partition: p.index, Epoch: p.epoch, Consumed: consumed}
	sent := t.fill(inst, d)
	unit := make([]*store.Delta, 0, len(a.earlier)+1)
	for i := range a.earlier {
		unit = append(unit, &store.Delta{Partition: p.index, Epoch: p.epoch, Number: d.row.Number, ID: d.row.ID, Record: &a.earlier[i]})
	}
	inst.deltas++
	inst.inFlight = true // its code is rebuilt from records that must be there
	t.commits.addUnit(append(unit, &d.delta), func(err error) {
		if err == nil {
			p.mu.Lock()
			inst.inFlight = false
			p.mu.Unlock()
			t.committed(inst, d)
		}
		done(err)
	})
	return sent
}

// decide makes the arrival an instance of the hub. prev is the row that its id
// has now, its Number 0 when there is none; it is erased.
func (a *arrival) decide(number history.Number, prev history.Instance) *decision {
	d := &decision{row: a.row, oldStatus: history.Unknown, record: a.last, state: a.state}
	d.row.Number = number
	if prev.Number != 0 {
		d.erase = &prev
	}
	if d.row.Status.Terminal() {
		d.ended = true
		return d
	}
	if a.state.Turns == 0 && !d.row.ScheduledAt.IsZero() {
		d.set = []store.Timer{wakeTimer(&d.row)}
	}
	for _, open := range inOrder(a.state.Open) {
		switch open.Kind {
		case history.TaskScheduled:
			d.schedule = append(d.schedule, open)
		case history.TimerCreated:
			d.set = append(d.set, timerOf(&d.row, open))
		case history.SubOrchestrationInstanceCreated:
			d.send(d.row.ID, d.row.ExecutionID, history.Event{
				Kind: history.SubOrchestrationInstanceFailed, At: number.CreatedAt(), TaskID: open.ID,
				Failure: &history.Failure{
					Type:         history.FailureMissing,
					Message:      fmt.Sprintf("child %q was not imported with the instance that waits for it", open.Instance),
					NonRetriable: true,
				},
			})
		}
	}
	return d
}
