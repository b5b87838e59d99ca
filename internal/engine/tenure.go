package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file is the life of an ownership: how it begins, how work runs while it
// lasts, and how it ends without losing what was accepted.

// tenure is one unbroken ownership of the hub's partitions by this process, and
// lasts as long as a [store.Tenure] of the store. It begins by acquiring them
// and reading what there is to do, and ends when the engine stops or a commit
// does not succeed: what is in memory may then be
// ahead of what is stored, so all of it is given up and a new tenure reads the
// truth.
//
//	       acquired, all read        ctx ends: drain             kill: nobody decides any more
//	begin --------------------> run ----------------> draining ------------------> closing --> ended
//	  | cannot be read           |                                                    ^
//	  +----> tried again         +-- a commit did not succeed: its effects are lost --+
//
// After an end that was not asked for the engine begins another tenure. While
// it runs:
//
//	client operation --+                                    +--> answers
//	timer, activity  --+--> inbox --> turn --> commits ------+--> activities, timers
//	                   ^                                    |
//	                   +---- messages to instances here ----+
type tenure struct {
	store    store.Store
	joined   store.Tenure // in the store: the unit of fencing
	exec     executor
	options  Options
	log      *slog.Logger
	listener Listener

	ctx context.Context         // ends with the tenure; activities run under it
	end context.CancelCauseFunc // the cause is why

	admission  *admission
	partitions []*partition
	lanes      lanes
	large      *largeQueue
	ready      *readyQueue
	timers     *timerQueue
	activities *activities
	cache      *cache
	waiters    *waiters
	turnSlots  turnSlots
	watch      *watch
	deaths     *deaths
	left       *atomic.Int64  // goroutines of the process that are left behind
	loops      sync.WaitGroup // goroutines that run turns
	treePurges chan struct{}  // holds a token while a tree of instances is being purged
	revised    atomic.Int64   // durable decisions about instances that had ended
}

// now is the time by the clock that the engine was given; nothing else in it
// looks at one to decide.
func (t *tenure) now() time.Time { return t.options.Now() }

// fail ends the tenure because err leaves it without knowledge of what is
// stored.
func (t *tenure) fail(err error) { t.end(err) }

// begin acquires every partition and reads what there is to do. The number of
// the newest instance is read after that: those of an owner before must be
// lower than what is given out from now on.
func (t *tenure) begin(ctx context.Context) error {
	grants, err := t.acquire(ctx)
	if err != nil {
		return err
	}
	last, err := t.store.LastNumber(ctx)
	if err != nil {
		return fmt.Errorf("read the last instance number: %w", err)
	}
	free, err := unused(ctx, t.store, t.now(), last)
	if err != nil {
		return fmt.Errorf("read the instances of times that have not come: %w", err)
	}
	t.partitions = make([]*partition, len(grants))
	errs := make([]error, len(grants))
	var wg sync.WaitGroup
	for _, g := range grants {
		t.partitions[g.Partition] = &partition{
			tenure: t, index: g.Partition, lane: t.lanes.of(g.Partition), lastSeq: firstSeq(g.Epoch), numbers: newNumbering(last, free),
			instances: make(map[history.InstanceID]*instance), armed: make(map[timerKey]bool),
		}
	}
	for i, p := range t.partitions {
		wg.Go(func() { errs[i] = p.read(ctx) })
	}
	wg.Wait()
	return cmp.Or(errs...) // the first one: they mostly have one cause
}

// acquire makes the process the owner of every partition, durably. From then on
// nothing of an owner before is stored. Another tenure at the place of this
// process is one of its own that it lost track of, or of a process that is
// gone.
func (t *tenure) acquire(ctx context.Context) ([]store.Grant, error) {
	self := t.options.Node
	members, err := t.joined.Beat(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("read who is in the hub: %w", err)
	}
	for _, m := range members.Nodes {
		if m.ID != t.joined.ID() && m.Host == self.Host && m.Address == self.Address {
			if err := t.joined.Fence(ctx, m.ID); err != nil {
				return nil, fmt.Errorf("end the tenure before: %w", err)
			}
		}
	}
	all := make([]int, t.store.Partitions())
	for i := range all {
		all[i] = i
	}
	grants, err := t.joined.Acquire(ctx, all...)
	if err == nil && len(grants) < len(all) {
		err = fmt.Errorf("%d of %d partitions have another owner", len(all)-len(grants), len(all))
	}
	return grants, err
}

// read reads what there is to do in the partition: instances at work, messages,
// and timers that are due soon.
func (p *partition) read(ctx context.Context) error {
	t := p.tenure
	for ref, err := range t.store.Working(ctx, p.index) {
		if err != nil {
			return fmt.Errorf("read work of partition %d: %w", p.index, err)
		}
		p.mu.Lock()
		inst := p.instance(ref.ID)
		inst.flagged, inst.unread = true, true
		p.wake(inst)
		p.mu.Unlock()
	}
	for m, err := range t.store.Inbox(ctx, p.index) {
		if err != nil {
			return fmt.Errorf("read inbox of partition %d: %w", p.index, err)
		}
		decoded, err := history.DecodeMessage(m.Bytes)
		if err != nil {
			return fmt.Errorf("message %d from %d in partition %d: %w", m.Seq, m.From, p.index, err)
		}
		p.deliver(decoded.To, decide.Message{Execution: decoded.ExecutionID, Event: decoded.Event, Stored: true, Key: m.MessageKey})
	}
	return p.advance(t.ctx, store.Timer{})
}

// run runs the tenure until it ends; when ctx ends, it says that it is
// draining, and drains first. It returns why it ended: nil after a drain.
func (t *tenure) run(ctx context.Context, draining func()) error {
	var wg sync.WaitGroup
	wg.Go(func() { t.timers.run(t.ctx) })
	wg.Go(t.large.run)
	var committing sync.WaitGroup
	committing.Go(func() {
		t.lanes.run(context.WithoutCancel(t.ctx), t.fail)
	})
	if t.exec.runs {
		wg.Go(func() { t.watch.run(t.ctx) })
		for range t.options.MaxOrchestrators {
			t.hire()
		}
	}

	select {
	case <-ctx.Done():
		draining()
		t.drain()
	case <-t.ctx.Done():
	}
	err := context.Cause(t.ctx) // nil after a drain

	// Nobody may decide any more before the last decisions are stored.
	t.kill()
	t.lanes.close()
	committing.Wait()
	t.leaveHub()
	t.end(history.ErrStopping)
	t.ready.close()
	t.forget() // so that deferred functions run while the rest is waited for
	stopped, names := t.stopped(&wg), t.stillRunning()
	t.forget() // what was at work before
	if !stopped || names != "" || t.left.Load() > 0 {
		t.log.Error("user code does not return although its time is over; it is left behind", "after", stopGrace, "code", names, "leftBehind", t.left.Load())
		return errors.Join(err, fmt.Errorf("%w: %s", ErrLeftBehind, cmp.Or(names, "what ran before the hub was read again")))
	}
	return err
}

// leaveHub ends the tenure in the store, so that the next owner need not wait.
// Where that fails, whoever takes over fences it.
func (t *tenure) leaveHub() {
	err := t.joined.Leave(context.WithoutCancel(t.ctx))
	if err != nil && !errors.Is(err, store.ErrFenced) {
		t.log.Debug("the hub could not be left in good order", "cause", err)
	}
}

// stopGrace is how long user code, all of it together, may take to return once
// nobody wants its result any more.
const stopGrace = 2 * time.Second

// ErrLeftBehind says that user code did not return when the engine stopped. All
// that was accepted is stored.
var ErrLeftBehind = errors.New("user code that does not return is left behind")

// stopped waits for the loops, the activities and deferred functions, but not
// for ever.
func (t *tenure) stopped(loops *sync.WaitGroup) bool {
	idle, all := t.activities.stop(), make(chan struct{})
	go func() { // ends with the user code it waits for, or with the process
		loops.Wait()
		t.loops.Wait()
		<-idle
		close(all)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	err := wait(ctx, all)
	t.exec.Unwound(ctx)
	return err == nil
}

// stillRunning names the code that runs.
func (t *tenure) stillRunning() string {
	var names []string
	for _, s := range t.turnSlots.all() {
		if inst := s.turn.Load(); inst != nil {
			p := inst.partition
			p.mu.Lock()
			names = append(names, fmt.Sprintf("orchestrator %s of instance %s", inst.row.Name, inst.id))
			p.mu.Unlock()
		}
	}
	for _, s := range t.activities.all() {
		if a := s.activity.Load(); a != nil {
			names = append(names, fmt.Sprintf("activity %s of instance %s", a.task.Name, a.task.Instance))
		}
	}
	for _, u := range t.exec.Unwinding() {
		names = append(names, fmt.Sprintf("deferred functions of orchestrator %s of instance %s", u.Function, u.Instance))
	}
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// maxNamed bounds how much code one error names.
const maxNamed = 10

// drain lets what runs come to an end, for at most DrainTimeout, and gets it
// stored. Activities that have not started do not start: the next owner finds
// them.
func (t *tenure) drain() {
	ctx, cancel := context.WithTimeout(t.ctx, t.options.DrainTimeout)
	defer cancel()
	if wait(ctx, t.activities.stop()) != nil && t.ctx.Err() == nil {
		t.log.Warn("activities are still running and will run again", "after", t.options.DrainTimeout)
	}
	// A turn may be waiting for a commit, and a commit may lead to a turn.
	for ctx.Err() == nil {
		t.ready.quiet(ctx)
		if leave, err := t.large.pass(ctx, 0); err == nil {
			leave()
		}
		stored := make(chan struct{})
		t.lanes.barrier(func(error) { close(stored) })
		if wait(ctx, stored) != nil || t.ready.isEmpty() && t.large.isEmpty() {
			return
		}
	}
}

// kill makes every partition refuse further decisions.
func (t *tenure) kill() {
	for _, p := range t.partitions {
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
	}
}

// forget drops what the executor has cached for this tenure.
func (t *tenure) forget() {
	var numbers []history.Number
	for _, p := range t.partitions {
		p.mu.Lock()
		for _, inst := range p.instances {
			if inst.state != nil {
				numbers = append(numbers, inst.row.Number)
			}
		}
		p.mu.Unlock()
	}
	for _, number := range numbers {
		t.forgetCode(number)
	}
}

// work decides turns until the tenure ends.
func (t *tenure) work(s *slot) {
	for {
		inst, ok := t.ready.pop()
		if !ok {
			return
		}
		if t.turn(s, inst) {
			t.ready.done()
		}
		if s.replaced {
			t.turnSlots.remove(s)
			t.deaths.put(s.note)
			return
		}
	}
}

// partition returns the partition of id.
func (t *tenure) partition(id history.InstanceID) *partition {
	return t.partitions[history.PartitionOf(id, len(t.partitions))]
}
