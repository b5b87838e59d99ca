package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file is how operations change an instance: they claim it, as a turn
// does, so that nobody else decides about it meanwhile.

// claim tells what is claimed, and for what.
type claim struct {
	id    history.InstanceID
	fresh bool // nobody else can know the id: there is no such instance
	ends  bool // what lives under the id ends, whatever its code does: a turn that does not come back is left behind
	bytes int  // of payloads that will be stored, about
}

// commitFunc hands what was decided to the committer, under the mutex of the
// partition, and returns the messages to route; done is called when it is
// durable or has failed.
type commitFunc func(done func(error)) []routed

// change decides about an instance and returns when that is durable. prepare
// works out what to do, and may read and wait: the instance is claimed, and the
// mutex is not held. It returns what commits that, nil if there is nothing to
// change, or why it cannot be. What it knew may not be durable yet, so those
// answers wait their turn among the commits too.
//
// What is decided is routed before the claim ends. Messages are delivered here
// at once, in this order, and stored in the order of the commits: whoever
// decides next would else send its messages ahead of these, and one who
// receives both would see the older ones last, until the process dies and they
// are read from the store the other way round.
func (t *tenure) change(ctx context.Context, c claim, prepare func(*instance) (commitFunc, error)) error {
	p := t.partition(c.id)
	inst, err := p.take(ctx, c)
	if err != nil {
		return err
	}
	decided, refused := prepare(inst)
	leave, err := t.large.enter(ctx, c.bytes)
	defer leave()
	stored := newAnswer()
	p.mu.Lock()
	var sent []routed
	switch {
	case p.dead:
		err = hub.ErrUnavailable
	case err != nil:
	case refused != nil:
		p.lane.add(nil, func(err error) { stored.give(errors.Join(err, refused)) })
	case decided == nil:
		p.lane.add(nil, stored.give)
	default:
		sent = decided(stored.give)
	}
	t.endClaim(inst, sent)
	if err != nil {
		return err
	}
	return stored.wait(ctx)
}

// endClaim routes what was decided about a claimed instance and ends the claim.
// mu of the partition is held, and is released.
func (t *tenure) endClaim(inst *instance, sent []routed) {
	p := inst.partition
	if len(sent) > 0 {
		p.mu.Unlock()
		t.route(sent)
		p.mu.Lock()
	}
	p.yield(inst)
	p.mu.Unlock()
}

// post puts something into the inbox of an instance and returns when that is
// durable. It need not wait for whoever decides about the instance. put is
// called once, under the mutex of the partition, with the row known, and sees
// that done is called.
func (t *tenure) post(ctx context.Context, c claim, put func(inst *instance, done func(error))) error {
	p, stored := t.partition(c.id), newAnswer()
	now := func(inst *instance) { put(inst, stored.give) }
	if c.bytes < largeBytes && p.ifKnown(c.id, now) {
		return stored.wait(ctx)
	}
	for {
		err := t.change(ctx, c, func(inst *instance) (commitFunc, error) {
			return func(done func(error)) []routed {
				put(inst, done)
				return nil
			}, nil
		})
		if !errors.As(err, new(*blockedError)) {
			return err
		}
		// Its turn does not come back. It takes what comes for it all the same.
		leave, err := t.large.enter(ctx, c.bytes)
		if err == nil && p.ifKnown(c.id, now) {
			err = stored.wait(ctx)
			leave()
			return err
		}
		leave()
		if err != nil {
			return err
		}
		// It has come back meanwhile, and gone from memory.
	}
}

// ifKnown calls f, under the mutex, if the row of id is in memory. It reports
// whether it did.
func (p *partition) ifKnown(id history.InstanceID, f func(*instance)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	inst, ok := p.instances[id]
	if !ok || !inst.known || p.dead {
		return false
	}
	f(inst)
	p.release(inst)
	return true
}

// take makes the caller the one who decides about an instance, and its row
// known. It waits for whoever does so now, but not for a turn that does not
// come back ([blockedError]), unless c ends the instance. The caller ends it
// with endClaim or yield.
func (p *partition) take(ctx context.Context, c claim) (*instance, error) {
	for {
		p.mu.Lock()
		if p.dead {
			p.mu.Unlock()
			return nil, hub.ErrUnavailable
		}
		inst := p.instance(c.id)
		if s := inst.stuck; s != nil {
			if !c.ends {
				defer p.mu.Unlock()
				return nil, &blockedError{inst.row, *s}
			}
			p.tenure.leave(inst) // and claimed below, before another turn runs its code
		}
		if !inst.running {
			inst.running = true
			inst.known = inst.known || c.fresh
			known := inst.known
			p.mu.Unlock()
			if known {
				return inst, nil
			}
			return inst, p.know(ctx, inst)
		}
		idle := inst.whenIdle()
		p.mu.Unlock()
		if err := wait(ctx, idle); err != nil {
			return nil, err
		}
	}
}

// know reads the row of a claimed instance, and yields it if that is not
// possible.
func (p *partition) know(ctx context.Context, inst *instance) error {
	row, _, err := p.tenure.store.FindInstance(ctx, inst.id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.yield(inst)
		return fmt.Errorf("find instance %s: %w", inst.id, err)
	}
	inst.known, inst.row = true, row
	return nil
}

// yield ends a claim. mu is held.
func (p *partition) yield(inst *instance) {
	inst.running = false
	inst.taken = nil
	inst.recount()
	if inst.idle != nil {
		close(inst.idle)
		inst.idle = nil
	}
	if !p.dead {
		p.wake(inst)
		p.release(inst)
	}
}

// whenIdle returns a channel that is closed when running is cleared, or the
// turn that runs is found not to come back. mu is held.
func (i *instance) whenIdle() <-chan struct{} {
	if i.idle == nil {
		i.idle = make(chan struct{})
	}
	return i.idle
}

// blockedError is an ErrInvalidState: the turn of an instance does not come
// back.
type blockedError struct {
	row   history.Instance
	stuck stuck
}

// Error names the two ways out: nobody can make code come back.
func (e *blockedError) Error() string {
	return fmt.Sprintf("%v: %q is in a turn that does not come back (%s); terminate it, or force the purge", hub.ErrInvalidState, e.row.ID, &e.stuck)
}

// Unwrap tells the status, as other errors about one that lives do.
func (e *blockedError) Unwrap() error {
	return &hub.StateError{Status: e.row.Status, Err: hub.ErrInvalidState}
}

// barrier returns once all that has been decided so far is durable.
func (t *tenure) barrier(ctx context.Context) error {
	stored := newAnswer()
	t.lanes.barrier(stored.give)
	return stored.wait(ctx)
}

// allRouted returns once every message that was decided so far is in the inbox
// that it is for. Within a lane it is there at once.
func (t *tenure) allRouted(ctx context.Context) error {
	if len(t.lanes) == 1 {
		return nil
	}
	return t.barrier(ctx)
}

// answer is what a caller waits for while its decision is being stored.
type answer chan error

// newAnswer returns an answer that can be given without anybody waiting: the
// caller may have gone.
func newAnswer() answer { return make(answer, 1) }

// give answers, once; an error of the store tells the caller that what became
// of its request is not known.
func (a answer) give(err error) { a <- err }

// wait returns the answer, or the cause of ctx. The decision is stored all the
// same then.
func (a answer) wait(ctx context.Context) error {
	select {
	case err := <-a:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
