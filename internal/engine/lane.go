package engine

import (
	"context"
	"sync"
	"time"
)

// Limits of what is large.
const (
	largeBytes = 64 << 10 // payloads of a decision that comes to the lane; a commit of many small ones has less
	laneBytes  = 1 << 20  // of those that go through it side by side; a larger one goes alone
)

// lane leads decisions with large payloads to the line of commits. That line is
// in order: whoever stands behind a megabyte waits until it is written. So the lane
// lets few of them in at a time, and when others commit too, it then leaves the
// line to them for as long as it has kept them waiting.
//
// Whoever comes to the lane has claimed the instance it decides about. So nobody in it
// waits for somebody behind.
type lane struct {
	ctx     context.Context // of the tenure
	commits *commits
	more    chan struct{} // holds a token while the queue may not be empty

	mu     sync.Mutex // guards the rest
	queue  []*large
	busy   int  // decisions that are through and not durable
	closed bool // all may go through: the tenure has ended
}

// large is a decision that goes through the lane.
type large struct {
	bytes int
	begin func()        // commits it, and never waits
	ended chan struct{} // closed when it is durable, or never will be known to be
}

func newLane(ctx context.Context, commits *commits) *lane {
	return &lane{ctx: ctx, commits: commits, more: make(chan struct{}, 1)}
}

// add queues a decision; it never blocks. At the end of the tenure all begin, and
// learn that.
func (l *lane) add(d *large) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.queue = append(l.queue, d)
	}
	l.mu.Unlock()
	if closed {
		d.begin()
		return
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// enter waits until the caller may commit so many bytes; leave must follow when
// that is durable, or came to nothing; after an error it does nothing. What is small
// need not wait.
func (l *lane) enter(ctx context.Context, bytes int) (leave func(), err error) {
	if bytes < largeBytes {
		return func() {}, nil
	}
	return l.pass(ctx, bytes)
}

// pass is enter for any size.
func (l *lane) pass(ctx context.Context, bytes int) (leave func(), err error) {
	turn, ended := make(chan struct{}), make(chan struct{})
	l.add(&large{bytes, func() { close(turn) }, ended})
	if err := wait(ctx, turn); err != nil {
		close(ended)
		return func() {}, err
	}
	return func() { close(ended) }, nil
}

// run leads decisions through until the tenure ends.
func (l *lane) run() {
	for batch := l.next(); batch != nil; batch = l.next() {
		began, others := time.Now(), l.commits.small()
		for _, d := range batch {
			d.begin()
		}
		for _, d := range batch {
			if wait(l.ctx, d.ended) != nil {
				break
			}
		}
		clear(batch) // it is a part of the queue's array, which may live for long
		l.rest()
		if l.commits.small() > others {
			sleep(l.ctx, time.Since(began))
		}
	}
	for _, d := range l.close() {
		d.begin()
	}
}

// rest notes that nothing is under way.
func (l *lane) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = 0
}

// close returns those who still wait.
func (l *lane) close() []*large {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.queue
}

// next takes those that may go through now, waiting for one; nil at the end of
// the tenure.
func (l *lane) next() []*large {
	for l.ctx.Err() == nil {
		if batch := l.take(); batch != nil {
			return batch
		}
		wait(l.ctx, l.more) // its error is that of the context
	}
	return nil
}

func (l *lane) take() []*large {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	n, bytes := 0, 0
	for n < len(l.queue) && (n == 0 || bytes+l.queue[n].bytes <= laneBytes) {
		bytes += l.queue[n].bytes
		n++
	}
	batch := l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil // nothing of a megabyte stays behind
	}
	l.busy = n
	return batch
}

// isEmpty reports whether nothing is in the lane that is not durable.
func (l *lane) isEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy == 0 && len(l.queue) == 0
}
