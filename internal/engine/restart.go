package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file runs instances again from the beginning.

// Restart runs an instance anew with its name, input, version and tags, and
// returns the id of what it started: a new one, or with SameID the same, in
// place of the instance, which must have ended. When it returns nil that is
// durable. Errors: ErrInvalidArgument, ErrNotFound, ErrAlreadyExists,
// ErrUnknownOrchestrator, ErrResourceExhausted, ErrUnavailable
// (docs/contracts/runtime.md 5.8).
func (e *Engine) Restart(ctx context.Context, id history.InstanceID, req hub.RestartRequest) (history.InstanceID, error) {
	switch {
	case id == "":
		return "", fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	case strings.HasPrefix(string(id), "@"):
		return "", fmt.Errorf("%w: %q is an entity, which cannot be restarted", hub.ErrInvalidArgument, id)
	}
	t, err := e.owner(ctx)
	if err != nil {
		return "", err
	}
	if err := t.admission.admit(ctx, 0); err != nil {
		return "", err
	}
	defer t.admission.release(0)
	if req.SameID {
		return id, e.restartInPlace(ctx, t, id)
	}
	s, err := e.Status(ctx, id, hub.StatusOptions{Input: true, Output: true})
	if err != nil {
		return "", err
	}
	start := startAgain(&s.Instance, s.Input)
	start.ID = history.NewInstanceID()
	if err := e.checkStart(&start); err != nil {
		return "", err
	}
	return start.ID, t.start(ctx, &start, true)
}

// startAgain asks for an instance as row and its input tell.
func startAgain(row *history.Instance, input json.RawMessage) hub.StartRequest {
	return hub.StartRequest{Name: row.Name, ID: row.ID, Input: input, Version: row.Version, Tags: row.Tags}
}

// restartInPlace replaces an instance that has ended by its like. Nobody else
// decides about the id between reading the input and the commit.
func (e *Engine) restartInPlace(ctx context.Context, t *tenure, id history.InstanceID) error {
	return t.change(ctx, claim{id: id}, func(inst *instance) (commitFunc, error) {
		if err := refuseRestart(inst); err != nil {
			return nil, err
		}
		start, err := t.likeOf(ctx, inst)
		if err != nil {
			return nil, err
		}
		if err := e.checkStart(&start); err != nil {
			return nil, err
		}
		return func(done func(error)) []routed { return t.create(inst, &start, done) }, nil
	})
}

// refuseRestart tells why an instance cannot be replaced by its like, nil if it
// can: one that lives would be two.
func refuseRestart(inst *instance) error {
	if !inst.exists() {
		return fmt.Errorf("%w: %q", hub.ErrNotFound, inst.id)
	}
	return refusal(&inst.row, hub.RefuseIfActive)
}

// likeOf asks for an instance like the one that the caller has claimed.
func (t *tenure) likeOf(ctx context.Context, inst *instance) (hub.StartRequest, error) {
	if err := t.barrier(ctx); err != nil {
		return hub.StartRequest{}, err
	}
	for turn, err := range readRecords(ctx, t.store, inst.row.Number) {
		if err != nil {
			return hub.StartRequest{}, err
		}
		return startAgain(&inst.row, turn.Events[0].Payload), nil
	}
	return hub.StartRequest{}, fmt.Errorf("history of instance %s is missing from the store", inst.id)
}
