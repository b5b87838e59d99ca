package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file lets a transport ask, before it reads a body, whether what it
// brings would be taken.

// What is here lets a caller be refused before it has sent what may be large: a
// payload, an archive. Each check waits for room, as the operation would.

// CheckStart returns the error that [Engine.Start] would have whatever the
// input is.
func (e *Engine) CheckStart(ctx context.Context, req hub.StartRequest) error {
	if err := e.checkStart(&req); err != nil {
		return err
	}
	return e.room(ctx)
}

// CheckRaise returns the error that [Engine.Raise] would have whatever the
// payload is.
func (e *Engine) CheckRaise(ctx context.Context, id history.InstanceID, req hub.RaiseRequest) error {
	if err := checkRaise(&req); err != nil {
		return err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	if err := t.expect(ctx, id); err != nil {
		return err
	}
	return t.admission.room(ctx)
}

// CheckImport returns the error that [Engine.Import] would have whatever the
// archive is.
func (e *Engine) CheckImport(ctx context.Context, req hub.ImportRequest) error {
	if req.ID != "" {
		if err := req.ID.Validate(); err != nil {
			return fmt.Errorf("%w: %w", hub.ErrInvalidArgument, err)
		}
	}
	return e.room(ctx)
}

// room waits for a tenure, and for room in it.
func (e *Engine) room(ctx context.Context) error {
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	return t.admission.room(ctx)
}

// expect tells why no event is taken for an instance; nil if one is.
func (t *tenure) expect(ctx context.Context, id history.InstanceID) error {
	if id == "" {
		return fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	}
	var refused error
	if t.partition(id).ifKnown(id, func(inst *instance) {
		if refused = refuseMessage(inst); refused == nil {
			refused = t.admission.refuseInbox(inst)
		}
	}) {
		if refused == nil {
			return nil
		}
		return cmp.Or(t.barrier(ctx), refused) // what is known of the instance may not be durable yet
	}
	row, ok, err := t.store.FindInstance(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("find instance %s: %w", id, err)
	case !ok:
		return fmt.Errorf("%w: %q", hub.ErrNotFound, id)
	}
	return refuseMessage(&instance{id: id, row: row})
}
