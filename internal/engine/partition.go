package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// partition is one owned partition during one tenure. Its mutex is the only
// thing that orders what happens to an instance; no store is called under it.
type partition struct {
	tenure *tenure
	index  int
	epoch  store.Epoch

	mu        sync.Mutex // guards the rest, and the fields of instances as instance says
	dead      bool       // the tenure is over: nothing may be decided any more
	instances map[history.InstanceID]*instance
	numbers   numbering         // of instances
	lastSeq   uint64            // of the newest message sent
	horizon   time.Time         // timers due before it are in memory
	armed     map[timerKey]bool // true: it will ring; false: it is cleared, which is not durable yet
}

// instance returns the entry for id, making one if there is none. mu is held.
func (p *partition) instance(id history.InstanceID) *instance {
	inst, ok := p.instances[id]
	if !ok {
		inst = &instance{id: id, partition: p}
		p.instances[id] = inst
	}
	return inst
}

// release drops what need not be held of inst. mu is held.
func (p *partition) release(inst *instance) {
	p.weigh(inst)
	if inst.droppable() && inst.state == nil && p.instances[inst.id] == inst {
		delete(p.instances, inst.id)
	}
}

// resolve calls f with the entry for id, its row known, under the mutex. f may
// commit so many bytes; leave must follow when that is durable, or came to nothing.
// ends says that f ends the instance, whatever its code does.
func (p *partition) resolve(ctx context.Context, id history.InstanceID, bytes int, ends bool, f func(*instance)) (leave func(), err error) {
	if bytes < largeBytes && p.beside(id, f) {
		return func() {}, nil
	}
	inst, err := p.take(ctx, id, ends)
	if blocked := new(blockedError); errors.As(err, &blocked) { // it takes what comes for it all the same
		leave, err = p.tenure.large.enter(ctx, bytes)
		if err != nil || p.beside(id, f) {
			return leave, err
		}
		leave()
		return p.resolve(ctx, id, bytes, ends, f) // it has come back meanwhile, and gone from memory
	}
	if err != nil {
		return func() {}, err
	}
	leave, err = p.tenure.large.enter(ctx, bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
	case p.dead:
		err = hub.ErrUnavailable
	default:
		f(inst)
	}
	p.yield(inst)
	return leave, err
}

// beside calls f with the entry for id, under the mutex, if its row is known: nobody
// need wait for whoever decides about it now. It reports whether it did.
func (p *partition) beside(id history.InstanceID, f func(*instance)) bool {
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

// blockedError is an ErrInvalidState: the turn of an instance does not come back.
type blockedError struct {
	row   history.Instance
	stuck stuck
}

func (e *blockedError) Error() string {
	return fmt.Sprintf("%v: %q is in a turn that does not come back (%s); terminate it, or force the purge", hub.ErrInvalidState, e.row.ID, &e.stuck)
}

func (e *blockedError) Is(target error) bool { return target == hub.ErrInvalidState }

// claim makes the caller the one who decides about id, and its row known. It
// waits for whoever does so now, but not for a turn that does not come back
// ([blockedError]). The caller ends it with yield.
func (p *partition) claim(ctx context.Context, id history.InstanceID) (*instance, error) {
	return p.take(ctx, id, false)
}

// take is claim. With ends, it is for those who end the instance: a turn that does
// not come back is left behind.
func (p *partition) take(ctx context.Context, id history.InstanceID, ends bool) (*instance, error) {
	for {
		p.mu.Lock()
		if p.dead {
			p.mu.Unlock()
			return nil, hub.ErrUnavailable
		}
		inst := p.instance(id)
		if s := inst.stuck; s != nil {
			if !ends {
				defer p.mu.Unlock()
				return nil, &blockedError{inst.row, *s}
			}
			p.tenure.leave(inst) // and claimed below, before another turn runs its code
		}
		if !inst.running {
			inst.running = true
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

// whenIdle returns a channel that is closed when running is cleared, or the turn
// that runs is found not to come back. mu is held.
func (i *instance) whenIdle() <-chan struct{} {
	if i.idle == nil {
		i.idle = make(chan struct{})
	}
	return i.idle
}

func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newNumber gives out the next instance number. mu is held.
func (p *partition) newNumber(now time.Time) history.Number {
	return p.numbers.next(now, p.index)
}

// newKey gives out the key of the next message to the partition to. mu is held.
func (p *partition) newKey(to int) store.MessageKey {
	p.lastSeq++
	return store.MessageKey{Partition: to, From: p.index, Seq: p.lastSeq}
}

// firstSeq is below every message number of epoch and above those of the epochs
// before it.
func firstSeq(epoch store.Epoch) uint64 { return uint64(epoch) << epochShift }

// epochShift leaves room for the messages of one epoch.
const epochShift = 40

// tryAgain ends a hold before its time.
func (p *partition) tryAgain(inst *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inst.held != nil {
		inst.held.over = true
	}
	if !p.dead {
		p.wake(inst)
	}
}

// deliver puts a message into the inbox of id and sees that it is looked at.
func (p *partition) deliver(id history.InstanceID, m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return // the next owner reads it from the store
	}
	inst := p.instance(id)
	inst.receive(m)
	p.wake(inst)
}

// wake queues inst if there is something to decide, and counts what it costs. mu
// is held.
func (p *partition) wake(inst *instance) {
	if inst.stuck != nil && inst.ends() {
		p.tenure.leave(inst) // which wakes it
		return
	}
	if p.tenure.exec != nil && inst.ready(p.tenure.options.Now) {
		inst.queued = true
		p.tenure.ready.push(inst)
	}
	p.weigh(inst)
}
