package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file lets a Failed instance go on: cut, keep facts, re-arm
// (docs/contracts/runtime.md 5.7, docs/adr/0007-rewind.md). The history is cut
// before the turn in which the first of the failures to undo arrived. What had
// happened by then or later without the code's doing, and answers what is left,
// is kept in a new start record and delivered again: raised events, results.
// What is still open is armed again.

// Rewind lets a Failed instance go on from before its failure, and its failed
// children with it. When it returns nil the instance is durably Pending; the
// children follow. Errors: ErrInvalidArgument, ErrNotFound, ErrInvalidState if
// it is not Failed or the id of a child that must be started again belongs to
// another live instance, ErrUnavailable.
//
// What it does is decided when it is called, from the children as they are
// then; [Engine.PlanRewind] decides in the same way from what is there when
// that is called.
func (e *Engine) Rewind(ctx context.Context, id history.InstanceID, req hub.RewindRequest) error {
	if id == "" {
		return fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	}
	if err := refuse("reason", history.CheckReason(decide.ReasonPayload(req.Reason))); err != nil {
		return err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	return t.change(ctx, claim{id: id}, func(inst *instance) (commitFunc, error) {
		if err := refuseRewind(id, &inst.row); err != nil {
			return nil, err
		}
		records, err := t.durableRecords(ctx, inst)
		if err != nil {
			return nil, err
		}
		children, err := childRowsOf(ctx, t.store, records)
		if err != nil {
			return nil, err
		}
		failed := decide.FailedInstance{Row: inst.row, Records: records, Children: children}
		d, _, refused := failed.Rewind(req, nil, t.now(), history.NewExecutionID())
		return func(done func(error)) []routed {
			return t.commit(inst, &decision{Decision: d}, nil, done)
		}, refused
	})
}

// PlanRewind tells what [Engine.Rewind] would do now, with the same errors. It
// changes nothing.
func (e *Engine) PlanRewind(ctx context.Context, id history.InstanceID, req hub.RewindRequest) (hub.RewindPlan, error) {
	a, err := picture(ctx, e.store, id)
	if err != nil {
		return hub.RewindPlan{}, err
	}
	if err := refuseRewind(id, &a.Instance); err != nil {
		return hub.RewindPlan{}, err
	}
	if err := refuseHistory(id, a.Turns); err != nil {
		return hub.RewindPlan{}, err
	}
	children, err := childRowsOf(ctx, e.store, a.Turns)
	if err != nil {
		return hub.RewindPlan{}, err
	}
	failed := decide.FailedInstance{Row: a.Instance, Records: a.Turns, Children: children}
	_, plan, err := failed.Rewind(req, nil, e.options.Now(), "")
	return plan, err
}

// refuseHistory tells why the records of a Failed instance are of no use.
func refuseHistory(id history.InstanceID, records []history.Turn) error {
	if decide.Failed(records) {
		return nil
	}
	return fmt.Errorf("instance %s is Failed but its history does not say so", id)
}

// refuseRewind tells why an instance cannot be rewound, nil if it can.
func refuseRewind(id history.InstanceID, row *history.Instance) error {
	switch {
	case row.Number == 0:
		return fmt.Errorf("%w: %q", hub.ErrNotFound, id)
	case row.Status != history.Failed:
		return hub.InState(row.Status, "%w: %q is %s; only a Failed instance can be rewound", hub.ErrInvalidState, id, row.Status)
	}
	return nil
}

// durableRecords reads the records of a claimed instance once all that was decided
// about it is durable.
func (t *tenure) durableRecords(ctx context.Context, inst *instance) ([]history.Turn, error) {
	if err := t.barrier(ctx); err != nil {
		return nil, err
	}
	return t.records(ctx, inst)
}

// records reads the records of a Failed instance and drops what the executor
// may still have of it.
func (t *tenure) records(ctx context.Context, inst *instance) ([]history.Turn, error) {
	records, err := collect(readRecords(ctx, t.store, inst.row.Number))
	if err == nil {
		err = refuseHistory(inst.id, records)
	}
	t.forgetCode(inst.row.Number)
	return records, err
}

// collect reads all of a history into memory. What needs it looks forth and
// back.
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
	ended := decide.LastEvent([]history.Turn{turn})
	if ended == nil {
		return nil, fmt.Errorf("instance %s has ended but its history does not say how", inst.id)
	}
	return ended, nil
}

// childRowsOf reads what has become of the children that an execution may have
// to wait for.
func childRowsOf(ctx context.Context, store store.Reader, records []history.Turn) (decide.ChildRows, error) {
	rows := make(decide.ChildRows)
	for id, child := range decide.Survey(records).Children() {
		row, _, err := store.FindInstance(ctx, child)
		if err != nil {
			return nil, fmt.Errorf("find instance %s: %w", child, err)
		}
		rows[id] = row
	}
	return rows, nil
}
