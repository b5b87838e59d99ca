package engine

import (
	"context"
	"sync"
	"time"
)

// Limits of what is large.
const (
	largeBytes  = 64 << 10 // payloads of a decision that comes here; a commit of many small ones has less
	largeAtOnce = 1 << 20  // of those that go through it side by side; a larger one goes alone
)

// largeQueue limits how many bytes of large payloads are in the queue of
// commits at a time. That queue is in order, so a large delta delays all that
// stand behind it. While others commit too, it pauses after each of its batches
// for as long as that has kept them waiting.
//
// Whoever queues here has claimed the instance it decides about, so no decision
// in the queue waits for one behind it.
type largeQueue struct {
	ctx   context.Context // of the tenure
	lanes lanes
	more  chan struct{} // holds a token while the queue may not be empty

	mu     sync.Mutex // guards the rest
	queue  []*largeDecision
	busy   int  // decisions that are through and not durable
	closed bool // all may go through: the tenure has ended
}

// largeDecision is a decision that waits to be committed.
type largeDecision struct {
	bytes int
	begin func()        // commits it, and never waits
	ended chan struct{} // closed when it is durable, or never will be known to be
}

// newLargeQueue returns a queue in front of lanes. It ends with ctx.
func newLargeQueue(ctx context.Context, lanes lanes) *largeQueue {
	return &largeQueue{ctx: ctx, lanes: lanes, more: make(chan struct{}, 1)}
}

// add queues a decision; it never blocks. When the tenure ends, queued
// decisions are committed at once, so that each fails with ErrUnavailable.
func (q *largeQueue) add(d *largeDecision) {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		q.queue = append(q.queue, d)
	}
	q.mu.Unlock()
	if closed {
		d.begin()
		return
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// enter waits until the caller may commit so many bytes; leave must follow when
// that is durable, or came to nothing; after an error it does nothing. What is
// small need not wait.
func (q *largeQueue) enter(ctx context.Context, bytes int) (leave func(), err error) {
	if bytes < largeBytes {
		return func() {}, nil
	}
	return q.pass(ctx, bytes)
}

// pass is enter for any size.
func (q *largeQueue) pass(ctx context.Context, bytes int) (leave func(), err error) {
	turn, ended := make(chan struct{}), make(chan struct{})
	q.add(&largeDecision{bytes, func() { close(turn) }, ended})
	if err := wait(ctx, turn); err != nil {
		close(ended)
		return func() {}, err
	}
	return func() { close(ended) }, nil
}

// run leads decisions through until the tenure ends.
func (q *largeQueue) run() {
	for batch := q.next(); batch != nil; batch = q.next() {
		began, others := time.Now(), q.lanes.small()
		for _, d := range batch {
			d.begin()
		}
		for _, d := range batch {
			if wait(q.ctx, d.ended) != nil {
				break
			}
		}
		clear(batch) // it is a part of the queue's array, which may live for long
		q.rest()
		if q.lanes.small() > others {
			sleep(q.ctx, time.Since(began))
		}
	}
	for _, d := range q.close() {
		d.begin()
	}
}

// rest notes that nothing is under way.
func (q *largeQueue) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = 0
}

// close returns those who still wait.
func (q *largeQueue) close() []*largeDecision {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return q.queue
}

// next takes those that may go through now, waiting for one; nil at the end of
// the tenure.
func (q *largeQueue) next() []*largeDecision {
	for q.ctx.Err() == nil {
		if batch := q.take(); batch != nil {
			return batch
		}
		wait(q.ctx, q.more) // its error is that of the context
	}
	return nil
}

// take returns the decisions that go next together, as many as fit into one
// round.
func (q *largeQueue) take() []*largeDecision {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil
	}
	n, bytes := 0, 0
	for n < len(q.queue) && (n == 0 || bytes+q.queue[n].bytes <= largeAtOnce) {
		bytes += q.queue[n].bytes
		n++
	}
	batch := q.queue[:n:n]
	if q.queue = q.queue[n:]; len(q.queue) == 0 {
		q.queue = nil // nothing of a megabyte stays behind
	}
	q.busy = n
	return batch
}

// isEmpty reports whether all that was queued is durable.
func (q *largeQueue) isEmpty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy == 0 && len(q.queue) == 0
}
