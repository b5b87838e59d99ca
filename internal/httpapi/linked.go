package httpapi

import (
	"context"
	"fmt"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// linked is a hub as who came by a link has it. It looks, at each operation
// that links open, whether the instance is still the one that the link was made
// for: one that was purged or replaced meanwhile is not found. No other
// operation gets here.
type linked struct {
	Hub
	made history.Number
}

func (l linked) Status(ctx context.Context, id history.InstanceID, o hub.StatusOptions) (hub.Status, error) {
	st, err := l.Hub.Status(ctx, id, o)
	if err == nil && st.Number != l.made {
		return hub.Status{}, fmt.Errorf("%w: the instance %s that this link was made for", hub.ErrNotFound, id)
	}
	return st, err
}

func (l linked) MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (hub.Status, []hub.MergedEvent, error) {
	if err := l.check(ctx, id); err != nil {
		return hub.Status{}, nil, err
	}
	return l.Hub.MergedHistory(ctx, id, inputs, outputs)
}

func (l linked) check(ctx context.Context, id history.InstanceID) error {
	_, err := l.Status(ctx, id, hub.StatusOptions{})
	return err
}

func (l linked) Wait(ctx context.Context, id history.InstanceID) (hub.Status, error) {
	if err := l.check(ctx, id); err != nil {
		return hub.Status{}, err
	}
	return l.Hub.Wait(ctx, id)
}

func (l linked) CheckRaise(ctx context.Context, id history.InstanceID, r hub.RaiseRequest) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.CheckRaise(ctx, id, r)
}

func (l linked) Raise(ctx context.Context, id history.InstanceID, r hub.RaiseRequest) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.Raise(ctx, id, r)
}

func (l linked) Terminate(ctx context.Context, id history.InstanceID, r hub.TerminateRequest) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.Terminate(ctx, id, r)
}

func (l linked) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.Suspend(ctx, id, reason)
}

func (l linked) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.Resume(ctx, id, reason)
}

func (l linked) Rewind(ctx context.Context, id history.InstanceID, r hub.RewindRequest) error {
	if err := l.check(ctx, id); err != nil {
		return err
	}
	return l.Hub.Rewind(ctx, id, r)
}

func (l linked) Restart(ctx context.Context, id history.InstanceID, r hub.RestartRequest) (history.InstanceID, error) {
	if err := l.check(ctx, id); err != nil {
		return "", err
	}
	return l.Hub.Restart(ctx, id, r)
}

func (l linked) Purge(ctx context.Context, id history.InstanceID, r hub.PurgeRequest) (hub.PurgeResult, error) {
	if err := l.check(ctx, id); err != nil {
		return hub.PurgeResult{}, err
	}
	return l.Hub.Purge(ctx, id, r)
}
