package engine

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file is where decisions become durable. Whatever is ready is stored
// together: one sync costs the same for one delta and for a hundred.

// Limits of one commit. A larger backlog is stored by several.
const (
	maxCommitDeltas = 4096
	maxCommitBytes  = 2 << 20
)

// lanes are where decisions become durable. All about one partition is stored
// in one of them, in order; between two lanes there is no order.
type lanes []*commits

// newLanes returns the lanes of a tenure. They are idle until run.
func newLanes(store store.Tenure, admission *admission, turns *readyQueue, tell func(CommitInfo)) lanes {
	all := make(lanes, store.Lanes())
	for i := range all {
		all[i] = newCommits(store, i, admission, turns, tell)
	}
	return all
}

// of returns the lane of a partition.
func (l lanes) of(partition int) *commits { return l[partition%len(l)] }

// run stores what is added until close, see [commits.run].
func (l lanes) run(ctx context.Context, failed func(error)) {
	var group sync.WaitGroup
	for _, c := range l {
		group.Go(func() { c.run(ctx, failed) })
	}
	group.Wait()
}

// close makes run return once what is queued has been stored.
func (l lanes) close() {
	for _, c := range l {
		c.close()
	}
}

// small returns how many deltas were queued so far that were not large, see
// [largeQueue].
func (l lanes) small() (n int) {
	for _, c := range l {
		n += c.small()
	}
	return n
}

// barrier has done called once all that is queued now is stored, or never will
// be.
func (l lanes) barrier(done func(error)) {
	if len(l) == 1 {
		l[0].add(nil, done)
		return
	}
	passed := newCountdown(len(l), done)
	for _, c := range l {
		c.add(nil, passed)
	}
}

// newCountdown returns a function that calls done when it has been called n
// times, with the first error.
func newCountdown(n int, done func(error)) func(error) {
	var mu sync.Mutex
	var first error
	return func(err error) {
		mu.Lock()
		n--
		first = cmp.Or(first, err)
		last := n == 0
		mu.Unlock()
		if last {
			done(first)
		}
	}
}

// commits is one lane. It gathers deltas and stores them, in order, one commit
// at a time: the next batch gathers while the last one syncs (natural
// batching). It is the only place from which effects leave.
type commits struct {
	store     store.Tenure
	lane      int
	admission *admission
	turns     *readyQueue
	tell      func(CommitInfo) // when a commit has ended

	mu     sync.Mutex // guards the rest
	more   sync.Cond  // signalled when queue or closed changes
	queue  []commit
	spare  []commit // room for the next queue
	smalls int      // deltas that were ever queued, without the large ones
	closed bool
}

// commit is a delta and what to do when it is durable, or will never be known
// to be (err != nil).
type commit struct {
	delta *store.Delta   // nil: nothing to store; done in order, once the tenure is known to last
	with  []*store.Delta // stored before delta, as one unit with it
	bytes int
	done  func(err error)
}

// newCommits returns a lane. It is idle until run.
func newCommits(store store.Tenure, lane int, admission *admission, turns *readyQueue, tell func(CommitInfo)) *commits {
	c := &commits{store: store, lane: lane, admission: admission, turns: turns, tell: tell}
	c.more.L = &c.mu
	return c
}

// add queues a delta; its done is called exactly once, from run, in order of
// add. It never blocks. After close, done is called at once with
// ErrUnavailable.
func (c *commits) add(delta *store.Delta, done func(error)) {
	c.enqueue(done, commit{delta: delta, bytes: deltaBytes(delta), done: done})
}

// addUnit queues deltas that are stored by one commit, all of them or none,
// whatever their size.
func (c *commits) addUnit(deltas []*store.Delta, done func(error)) {
	last := len(deltas) - 1
	unit := commit{delta: deltas[last], with: deltas[:last], done: done}
	for _, delta := range deltas {
		unit.bytes += deltaBytes(delta)
	}
	c.enqueue(done, unit)
}

// addAll queues deltas that belong together side by side, so that few commits
// store them. done is called once, after the last of them.
func (c *commits) addAll(deltas []*store.Delta, done func(error)) {
	batch := make([]commit, len(deltas)+1)
	for i, delta := range deltas {
		batch[i] = commit{delta: delta, bytes: deltaBytes(delta), done: func(error) {}}
	}
	batch[len(deltas)].done = done
	c.enqueue(done, batch...)
}

// enqueue adds what must stay side by side. Its bytes count as work at hand
// until they are stored.
func (c *commits) enqueue(done func(error), batch ...commit) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		done(hub.ErrUnavailable)
		return
	}
	c.queue = append(c.queue, batch...)
	for i := range batch {
		if batch[i].delta != nil && batch[i].bytes < largeBytes {
			c.smalls++
		}
	}
	c.mu.Unlock()
	c.admission.add(batchBytes(batch))
	c.more.Signal()
}

// small returns how many deltas were queued so far that were not large.
func (c *commits) small() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.smalls
}

// batchBytes sums up what a batch brings to the store.
func batchBytes(batch []commit) (bytes int64) {
	for i := range batch {
		bytes += int64(batch[i].bytes)
	}
	return bytes
}

// deltaBytes is what a delta brings to the store, about: its payloads are in
// its record and its messages. Rows and keys are small.
func deltaBytes(delta *store.Delta) (bytes int) {
	if delta == nil {
		return 0
	}
	if delta.Record != nil {
		bytes += len(delta.Record.Bytes)
	}
	for i := range delta.Sent {
		bytes += len(delta.Sent[i].Bytes)
	}
	return bytes
}

// close makes run return once what is queued has been stored.
func (c *commits) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// run stores what is added until close. After a commit that does not succeed it
// calls failed once, stores nothing more, and everything is done with that
// error. What is done happens in order, while the next commit syncs; after a
// small commit it happens here, since handing it over would take longer.
func (c *commits) run(ctx context.Context, failed func(error)) {
	stored := make(chan outcome, 1)
	var handedOver atomic.Int32 // outcomes that are not done
	var effects sync.WaitGroup
	effects.Go(func() {
		for o := range stored {
			c.finish(o)
			handedOver.Add(-1)
		}
	})
	defer effects.Wait()
	defer close(stored)

	var deltas []*store.Delta
	var err error
	for batch := c.next(); batch != nil; batch = c.next() {
		deltas = deltas[:0]
		for i := range batch {
			deltas = append(deltas, batch[i].with...)
			if batch[i].delta != nil {
				deltas = append(deltas, batch[i].delta)
			}
		}
		if err == nil {
			began := time.Now()
			err = c.store.Commit(ctx, c.lane, deltas) // without deltas too: what memory says is true of an owner only
			if len(deltas) > 0 || err != nil {
				c.tell(CommitInfo{len(deltas), int(batchBytes(batch)), time.Since(began), err})
			}
			if err != nil {
				failed(err)
				err = fmt.Errorf("%w: %w", hub.ErrUnavailable, err)
			}
		}
		clear(deltas) // a quiet hub must not hold what a busy one stored last
		if o := (outcome{batch, err}); len(batch) <= smallCommit && handedOver.Load() == 0 {
			c.finish(o)
		} else {
			handedOver.Add(1)
			stored <- o
		}
	}
}

// smallCommit is how many deltas are done with sooner than another goroutine is
// awake.
const smallCommit = 4

// finish does what is to be done when a batch is durable, or never will be.
func (c *commits) finish(o outcome) {
	for i := range o.batch {
		o.batch[i].done(o.err)
	}
	c.admission.add(-batchBytes(o.batch))
	c.reuse(o.batch)
}

// outcome is what became of a batch.
type outcome struct {
	batch []commit
	err   error
}

// next takes the next batch, waiting for one; nil after close.
func (c *commits) next() []commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed {
		c.more.Wait()
	}
	c.gather()
	n, bytes := 0, 0
	for n < len(c.queue) && n < maxCommitDeltas && (n == 0 || bytes+c.queue[n].bytes <= maxCommitBytes) {
		bytes += c.queue[n].bytes
		n++
	}
	if n == 0 {
		return nil
	}
	batch := c.queue[:n:n]
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue, c.spare = c.spare, nil
	}
	return batch
}

// gather lets turns that are being decided become part of the next commit. A
// start and its first turn are then stored by one sync, not by two. mu is held.
func (c *commits) gather() {
	if c.turns.isEmpty() {
		return
	}
	c.mu.Unlock()
	began := time.Now()
	for yields := 0; yields < maxYields && !c.turns.isEmpty() && time.Since(began) < maxGathering; yields++ {
		runtime.Gosched()
	}
	c.mu.Lock()
}

// How long a commit may wait for turns: a fraction of a sync. Where time stands
// still, in tests, yields are counted.
const (
	maxGathering = 50 * time.Microsecond
	maxYields    = 1000
)

// reuse takes back the room of a batch that is done with.
func (c *commits) reuse(batch []commit) {
	clear(batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(batch) > cap(c.spare) {
		c.spare = batch[:0]
	}
}
