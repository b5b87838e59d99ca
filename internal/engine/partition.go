package engine

import (
	"context"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file is what the owner of a partition holds in memory, and the lock that
// orders what happens to each of its instances.

// partition is one owned partition during one tenure. Its mutex is the only
// thing that orders what happens to an instance; no store is called under it.
//
//	made --read: work, inbox and near timers--> serving --kill--> dead
//
// Messages are taken in from the first moment on, and nothing is decided once
// it is dead: the next owner finds all of it in the store.
type partition struct {
	tenure *tenure
	index  int
	lane   *commits

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

// wait returns nil when done is closed, and the cause of ctx if that ends
// first.
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
func (p *partition) deliver(id history.InstanceID, m decide.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return // the next owner reads it from the store
	}
	inst := p.instance(id)
	inst.receive(m)
	p.wake(inst)
}

// wake queues inst if there is something to decide, and counts what it costs.
// mu is held.
func (p *partition) wake(inst *instance) {
	if inst.stuck != nil && inst.ends() {
		p.tenure.leave(inst) // which wakes it
		return
	}
	if p.tenure.exec.runs && inst.ready(p.tenure.options.Now) {
		inst.queued = true
		p.tenure.ready.push(inst)
	}
	p.weigh(inst)
}
