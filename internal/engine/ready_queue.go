package engine

import (
	"context"
	"sync"
)

// This file is the queue of instances that have something to decide, in the
// order in which they became ready.

// readyQueue is the queue of instances that have something to decide, oldest
// first.
type readyQueue struct {
	mu     sync.Mutex // guards the rest
	more   sync.Cond  // signalled when pop may go on
	idle   sync.Cond  // broadcast when quiet may go on
	queue  []*instance
	active int  // instances taken and not done, without those that were stuck
	stuck  int  // instances taken whose code does not come back
	closed bool // pop returns nothing more
}

// newReadyQueue returns an empty queue.
func newReadyQueue() *readyQueue {
	r := &readyQueue{}
	r.more.L, r.idle.L = &r.mu, &r.mu
	return r
}

// push adds an instance that is ready. The caller has seen to it that it is in
// the queue once.
func (r *readyQueue) push(inst *instance) {
	r.mu.Lock()
	r.queue = append(r.queue, inst)
	r.mu.Unlock()
	r.more.Signal()
}

// pop waits for an instance; the caller says done when it has decided. ok is
// false after close.
func (r *readyQueue) pop() (inst *instance, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 && !r.closed {
		r.more.Wait()
	}
	if r.closed {
		return nil, false
	}
	inst, r.queue[0] = r.queue[0], nil
	if r.queue = r.queue[1:]; len(r.queue) == 0 {
		r.queue = nil
	}
	r.active++
	return inst, true
}

// markStuck notes that a turn does not come back: nothing is to wait for it but
// quiet. Either back or leave follows.
func (r *readyQueue) markStuck() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
	r.stuck++
}

// back notes that a turn that was stuck has come back; done follows.
func (r *readyQueue) back() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active++
	r.stuck--
}

// leave notes that a turn that was stuck is left behind; done does not follow.
func (r *readyQueue) leave() {
	r.mu.Lock()
	r.stuck--
	r.mu.Unlock()
	r.idle.Broadcast()
}

// done ends the turn of an instance that was popped. Whoever waits for quiet
// learns of the last one.
func (r *readyQueue) done() {
	r.mu.Lock()
	r.active--
	idle := r.empty()
	r.mu.Unlock()
	if idle {
		r.idle.Broadcast()
	}
}

// empty reports whether nothing is queued or being decided. mu is held.
func (r *readyQueue) empty() bool { return r.active == 0 && len(r.queue) == 0 }

// quiet waits until nothing is queued or being decided, or ctx ends.
func (r *readyQueue) quiet(ctx context.Context) {
	defer context.AfterFunc(ctx, func() {
		r.mu.Lock() // so that the waiter is in Wait, not on its way
		defer r.mu.Unlock()
		r.idle.Broadcast()
	})()
	r.mu.Lock()
	defer r.mu.Unlock()
	for (!r.empty() || r.stuck > 0) && !r.closed && ctx.Err() == nil {
		r.idle.Wait()
	}
}

// close makes pop return without an instance, for all who wait and all who
// come.
func (r *readyQueue) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.more.Broadcast()
	r.idle.Broadcast()
}

// isEmpty reports whether nothing is ready and nothing is being decided.
func (r *readyQueue) isEmpty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.empty()
}
