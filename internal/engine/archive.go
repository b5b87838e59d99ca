package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/perdure/perdure/internal/decide"
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
func (e *Engine) archive(ctx context.Context, id history.InstanceID) (a hub.Archive, err error) {
	view, err := e.store.View(ctx)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	if a, err = picture(ctx, view, id); err != nil || a.Instance.Status.Terminal() || len(a.Turns) == 0 {
		return a, err
	}
	var waiting []decide.Message
	for m, err := range view.Inbox(ctx, history.PartitionOf(id, e.store.Partitions())) {
		if err != nil {
			return a, fmt.Errorf("read the inbox of instance %s: %w", id, err)
		}
		decoded, err := history.DecodeMessage(m.Bytes)
		if err != nil {
			return a, fmt.Errorf("read the inbox of instance %s: message %d from %d: %w", id, m.Seq, m.From, err)
		}
		if decoded.To == id && decoded.Event.Kind == history.EventRaised {
			waiting = append(waiting, decide.Message{Execution: decoded.ExecutionID, Event: decoded.Event})
		}
	}
	decide.TakeIn(&a, waiting)
	return a, nil
}

// picture is what is recorded of an instance.
func picture(ctx context.Context, from store.Reader, id history.InstanceID) (a hub.Archive, err error) {
	err = readInstance(ctx, from, id, func(at store.Snapshot) (err error) {
		a.Instance = at.Row
		a.Turns, err = collect(decodeRecords(at.Row.Number, at.Records))
		return err
	})
	return a, err
}

// exportable reports which event of a turn would spoil an archive. Older builds
// let such payloads in.
func exportable(turn *history.Turn) error {
	for i := range turn.Events {
		if err := history.CheckEncoded(turn.Events[i].Payload); err != nil {
			return fmt.Errorf("%w: record %d, event %d (%s): its payload cannot be written: %w", hub.ErrInvalidState, turn.Seq, i+1, turn.Events[i].Kind, err)
		}
	}
	return nil
}

// Import stores an archive as an instance of this hub and returns its id. When
// it returns nil the instance is durable. Errors: ErrInvalidArgument, naming
// the turn and the event that make no sense; ErrAlreadyExists,
// ErrResourceExhausted, ErrUnavailable.
//
// The instance is listed, and found by its creation time, where it was
// imported; its row shows the times of the original. One that has ended is
// stored as it was, and nobody is told. A live one goes on here: activities
// without a result run (again), timers are set at their own times. It is an
// execution of its own from then on: what is sent to the original does not
// reach it, it has no parent, and children that it waits for, which did not
// come with it, fail with [history.FailureMissing].
func (e *Engine) Import(ctx context.Context, req hub.ImportRequest) (history.InstanceID, error) {
	moved, err := decide.CheckImport(&req, history.NewExecutionID())
	if err != nil {
		return "", err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return "", err
	}
	bytes := moved.Bytes()
	if err := t.admission.admit(ctx, bytes); err != nil {
		return "", err
	}
	defer t.admission.release(bytes)
	return moved.Row.ID, t.storeArrival(ctx, moved, req.Reuse)
}

// storeArrival stores an arrival.
func (t *tenure) storeArrival(ctx context.Context, a *decide.Arrival, reuse hub.Reuse) error {
	err := t.change(ctx, claim{id: a.Row.ID, ends: reuse == hub.ReplaceAny, bytes: a.Bytes()}, func(inst *instance) (commitFunc, error) {
		if kept, err := t.freeID(inst, reuse); kept || err != nil {
			return nil, err
		}
		return func(done func(error)) []routed { return t.adopt(inst, a, done) }, nil
	})
	return t.found(ctx, err, reuse, nil)
}

// adopt commits an arrival in place of what inst was. mu is held.
func (t *tenure) adopt(inst *instance, a *decide.Arrival, done func(error)) []routed {
	p := inst.partition
	d := &decision{Decision: a.Decide(p.newNumber(t.now()), inst.row)}
	consumed := t.replaceInstance(inst, d)
	d.delta = store.Delta{Partition: p.index, Consumed: consumed}
	sent := t.fill(inst, d)
	unit := make([]*store.Delta, 0, len(a.Earlier)+1)
	for i := range a.Earlier {
		unit = append(unit, &store.Delta{Partition: p.index, Number: d.Row.Number, ID: d.Row.ID, Record: &a.Earlier[i]})
	}
	inst.deltas++
	inst.inFlight = true // its code is rebuilt from records that must be there
	p.lane.addUnit(append(unit, &d.delta), func(err error) {
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
