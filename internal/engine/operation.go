package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file has the operations of clients that concern one instance. They are
// decided where its turns are, by the owner of its partition, and answered when
// what they say is durable.

// Start creates an instance. When it returns nil the instance is durable and
// will run. Errors: ErrInvalidArgument, ErrUnknownOrchestrator,
// ErrAlreadyExists, ErrResourceExhausted, ErrUnavailable
// (docs/contracts/runtime.md 5.1).
func (e *Engine) Start(ctx context.Context, req hub.StartRequest) (history.InstanceID, error) {
	if err := e.checkStart(&req); err != nil {
		return "", err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return "", err
	}
	bytes := startRequestBytes(&req)
	if err := t.admission.admit(ctx, bytes); err != nil {
		return "", err
	}
	defer t.admission.release(bytes)
	fresh := req.ID == ""
	if fresh {
		req.ID = history.NewInstanceID()
	}
	if req.Version == "" {
		req.Version = e.options.DefaultVersion
	}
	return req.ID, t.start(ctx, &req, fresh)
}

// checkStart refuses what can never run: names, ids and payloads that cannot be
// stored, and orchestrators that the running app does not have. An app that
// does not say what it has may have anything.
func (e *Engine) checkStart(req *hub.StartRequest) error {
	if err := checkName("orchestrator name", req.Name); err != nil {
		return err
	}
	if req.ID != "" {
		if err := req.ID.Validate(); err != nil {
			return fmt.Errorf("%w: %w", hub.ErrInvalidArgument, err)
		}
	}
	if err := checkPayload("input", req.Input); err != nil {
		return err
	}
	if err := cmp.Or(
		refuse("version", history.CheckVersion(req.Version)),
		refuse("tags", history.CheckTags(req.Tags)),
		refuse("scheduled time", history.CheckTime(req.ScheduledAt)),
	); err != nil {
		return err
	}
	names := e.exec.Orchestrators()
	if names == nil {
		return nil
	}
	for _, name := range names {
		if strings.EqualFold(name, req.Name) {
			return nil
		}
	}
	known := "none is registered"
	if len(names) > 0 {
		known = "known are " + strings.Join(names, ", ")
	}
	return fmt.Errorf("%w: %w %q; %s", hub.ErrInvalidArgument, hub.ErrUnknownOrchestrator, req.Name, known)
}

// checkName refuses a name that cannot be stored.
func checkName(what, name string) error { return refuse(what, history.CheckName(name)) }

// checkPayload refuses what is no JSON, or too much of it.
func checkPayload(what string, payload json.RawMessage) error {
	return refuse(what, history.CheckPayload(payload))
}

// refuse makes what is wrong with an argument, if anything is, an error of the
// caller.
func refuse(what string, problem error) error {
	if problem == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", hub.ErrInvalidArgument, what, problem)
}

// start creates an instance; fresh says that nobody else can know its id.
func (t *tenure) start(ctx context.Context, req *hub.StartRequest, fresh bool) error {
	err := t.change(ctx, claim{id: req.ID, fresh: fresh, ends: req.Reuse == hub.ReplaceAny, bytes: len(req.Input)}, func(inst *instance) (commitFunc, error) {
		kept, err := t.freeID(inst, req.Reuse)
		if req.Found != nil {
			*req.Found = kept
		}
		if kept || err != nil {
			return nil, err
		}
		return func(done func(error)) []routed { return t.create(inst, req, done) }, nil
	})
	return t.found(ctx, err, req.Reuse, req.Found)
}

// freeID makes sure that a claimed id can be used. It reports whether what has
// it is kept, and loads what lives and will be replaced: its timers and its
// parent must learn of the end.
func (t *tenure) freeID(inst *instance, reuse hub.Reuse) (kept bool, err error) {
	switch err := refusal(&inst.row, reuse); {
	case err != nil, !inst.exists():
		return false, err
	case reuse == hub.ReturnExisting:
		return true, nil
	case inst.row.Status.Terminal():
		return false, nil
	}
	return false, t.load(inst)
}

// refusal tells why row is in the way of a start with its id; nil if it is not.
func refusal(row *history.Instance, reuse hub.Reuse) error {
	exists, live := row.Number != 0, !row.Status.Terminal()
	if exists && (reuse == hub.RefuseIfExists || reuse == hub.RefuseIfActive && live) {
		return hub.InState(row.Status, "%w: %q is %s", hub.ErrAlreadyExists, row.ID, row.Status)
	}
	return nil
}

// found answers those whose instance id is that of one in a turn that does not
// come back: it lives, as others do. What is known of it may not be durable
// yet, so the answer waits its turn.
func (t *tenure) found(ctx context.Context, err error, reuse hub.Reuse, found *bool) error {
	if err == nil {
		return nil
	}
	blocked := new(blockedError)
	if !errors.As(err, &blocked) {
		return err
	}
	refused := refusal(&blocked.row, reuse)
	if found != nil {
		*found = refused == nil
	}
	return cmp.Or(t.barrier(ctx), refused)
}

// create commits a new instance in place of what inst was. mu is held.
func (t *tenure) create(inst *instance, req *hub.StartRequest, done func(error)) []routed {
	p := inst.partition
	now := t.now()
	started := &history.Started{Tags: req.Tags}
	if req.ScheduledAt.After(now) {
		started.ScheduledAt = history.Truncate(req.ScheduledAt)
	}
	ev := history.Event{Kind: history.ExecutionStarted, Name: req.Name, Version: req.Version, Payload: req.Input, Started: started}
	d := &decision{Decision: decide.Begin(ev, req.ID, p.newNumber(now), history.NewExecutionID(), inst.row)}
	return t.commit(inst, d, t.replaceInstance(inst, d), done)
}

// replaceInstance makes d end what inst was. It returns the messages that were
// for that. mu is held.
func (t *tenure) replaceInstance(inst *instance, d *decision) (consumed []store.MessageKey) {
	if inst.exists() {
		consumed = inst.clearInbox(nil)
	}
	if inst.state != nil {
		d.Replace(&inst.row, inst.state)
		t.forgetCode(inst.row.Number)
	}
	return consumed
}

// Raise hands an event to an instance. When it returns nil the event is durable
// and will be delivered. Errors: ErrInvalidArgument, ErrNotFound, ErrTerminal,
// ErrResourceExhausted, ErrUnavailable (docs/contracts/runtime.md 5.6).
func (e *Engine) Raise(ctx context.Context, id history.InstanceID, req hub.RaiseRequest) error {
	if err := checkRaise(&req); err != nil {
		return err
	}
	if err := checkPayload("event payload", req.Payload); err != nil {
		return err
	}
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	if req.Key != "" && id != "" {
		if err := t.refuseKey(ctx, id, req.Key); err != nil {
			return err
		}
	}
	ev := history.Event{Kind: history.EventRaised, Name: req.Name, Payload: req.Payload, Key: req.Key}
	bytes := ev.Bytes()
	if err := t.admission.admit(ctx, bytes); err != nil {
		return err
	}
	defer t.admission.release(bytes)
	return e.tell(ctx, id, ev, t.admission.refuseInbox)
}

// checkRaise looks at all of an event but its payload, which HTTP reads later.
func checkRaise(req *hub.RaiseRequest) error {
	return cmp.Or(checkName("event name", req.Name), refuse("idempotency key", history.CheckKey(req.Key)))
}

// Terminate ends an instance. When it returns nil the request is durable; it
// takes effect before any more of the instance's code runs. Errors as with
// [Engine.Raise] (docs/contracts/runtime.md 5.4).
func (e *Engine) Terminate(ctx context.Context, id history.InstanceID, req hub.TerminateRequest) error {
	return e.command(ctx, id, history.Event{Kind: history.ExecutionTerminated, Payload: req.Reason, Recursive: req.Recursive}, nil)
}

// Suspend keeps an instance's code from running until it is resumed; events are
// kept. Errors as with [Engine.Raise], and ErrInvalidState if it is suspended
// already (docs/contracts/runtime.md 5.5).
func (e *Engine) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	return e.command(ctx, id, history.Event{Kind: history.ExecutionSuspended, Payload: decide.ReasonPayload(reason)}, func(inst *instance) error {
		if inst.suspension() {
			return hub.InState(history.Suspended, "%w: %q is suspended already", hub.ErrInvalidState, id)
		}
		return nil
	})
}

// Resume lets an instance go on that is suspended, or whose turn was put aside
// because the program died each time it ran. Errors as with [Engine.Raise], and
// ErrInvalidState if it is neither.
func (e *Engine) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	return e.command(ctx, id, history.Event{Kind: history.ExecutionResumed, Payload: decide.ReasonPayload(reason)}, func(inst *instance) error {
		switch {
		case inst.suspension():
			return nil
		case inst.held != nil && aside(inst.held.cause):
			inst.held.over = true
			return nil
		case inst.partition.tenure.deaths.putAside(inst.row.Number) != nil: // as known where no app runs
			return nil
		}
		return hub.InState(inst.row.Status, "%w: %q is not suspended but %s", hub.ErrInvalidState, id, inst.row.Status)
	})
}

// command tells an instance what an operator wants of it, and why.
func (e *Engine) command(ctx context.Context, id history.InstanceID, ev history.Event, allowed func(*instance) error) error {
	if err := refuse("reason", history.CheckReason(ev.Payload)); err != nil {
		return err
	}
	return e.tell(ctx, id, ev, func(inst *instance) error {
		if allowed != nil {
			if err := allowed(inst); err != nil {
				return err
			}
		}
		return inst.partition.tenure.admission.refuseCommand(inst, ev.Kind)
	})
}

// tell stores a message for a live instance, provided that allowed, if any, has
// nothing against it.
func (e *Engine) tell(ctx context.Context, id history.InstanceID, ev history.Event, allowed func(*instance) error) error {
	if id == "" {
		return fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	}
	t, err := e.owner(ctx)
	if err != nil {
		return err
	}
	ev.ID, ev.At = history.NoID, history.Truncate(t.now())
	c := claim{id: id, ends: ev.Kind == history.ExecutionTerminated, bytes: ev.Bytes()}
	return t.post(ctx, c, func(inst *instance, done func(error)) {
		refused := refuseMessage(inst)
		if refused == nil && allowed != nil {
			refused = allowed(inst)
		}
		if refused != nil {
			inst.partition.lane.add(nil, func(err error) { done(errors.Join(err, refused)) })
			return
		}
		t.put(inst, ev, done)
	})
}

// put stores a message for inst. mu is held.
func (t *tenure) put(inst *instance, ev history.Event, done func(error)) {
	p := inst.partition
	m := decide.Message{Event: ev, Stored: true, Key: p.newKey(p.index)}
	encoded := history.AppendMessage(nil, &history.Message{To: inst.id, Event: ev})
	inst.deltas++
	p.lane.add(&store.Delta{Partition: p.index, Sent: []store.Message{{MessageKey: m.Key, Bytes: encoded}}}, func(err error) {
		p.messageStored(inst)
		done(err)
	})
	inst.receive(m)
	p.wake(inst)
}

// messageStored notes that a commit about inst that was no turn has ended.
func (p *partition) messageStored(inst *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inst.deltas--
	p.release(inst)
}

// refuseMessage tells why nothing can be told to an instance, nil if it can. mu
// of its partition is held.
func refuseMessage(inst *instance) error {
	switch {
	case !inst.exists():
		return fmt.Errorf("%w: %q", hub.ErrNotFound, inst.id)
	case inst.row.Status.Terminal():
		return hub.InState(inst.row.Status, "%w: %w: %q is %s", hub.ErrInvalidState, hub.ErrTerminal, inst.id, inst.row.Status)
	}
	return nil
}
