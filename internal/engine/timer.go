package engine

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file wakes what waits for a time. Timers are rows of the store; those
// that are due soon are in memory as well, and the others are read when their
// time comes near.

const (
	// timerWindow is how far ahead durable timers are kept in memory; later
	// ones stay in the index until their time comes nearer.
	timerWindow = time.Minute
	// timerPage bounds how many timers of a partition are read at once.
	timerPage = 4096
)

// lookAgain is how long a sleep takes at most, in real time: the clock may have
// been set meanwhile.
const lookAgain = 2 * time.Second

// timerQueue calls functions at given times: the near window of the durable
// timers, by the clock; and after some time: the engine's own retries, whatever
// the clock does.
type timerQueue struct {
	now func() time.Time

	mu      sync.Mutex // guards the rest, save sooner
	clock   timerHeap
	elapsed timerHeap // by [time.Now], whose differences no clock changes
	seq     uint64
	sooner  chan struct{} // holds a token when the first timer has changed
}

// queuedTimer is a timer that is kept in memory.
type queuedTimer struct {
	at   time.Time
	seq  uint64 // timers of one instant go off in the order they were set
	ring func()
}

// newTimerQueue returns an empty queue. Timers go off once it runs.
func newTimerQueue(now func() time.Time) *timerQueue {
	return &timerQueue{now: now, sooner: make(chan struct{}, 1)}
}

// set has ring called, from run, once the clock is not before at.
func (a *timerQueue) set(at time.Time, ring func()) { a.push(&a.clock, at.Round(0), ring) }

// after has ring called, from run, once d has passed.
func (a *timerQueue) after(d time.Duration, ring func()) { a.push(&a.elapsed, time.Now().Add(d), ring) }

// push adds a timer to one of the heaps, and wakes run if it is the first to go
// off now.
func (a *timerQueue) push(h *timerHeap, at time.Time, ring func()) {
	a.mu.Lock()
	a.seq++
	heap.Push(h, queuedTimer{at, a.seq, ring})
	first := (*h)[0].seq == a.seq
	a.mu.Unlock()
	if first {
		select {
		case a.sooner <- struct{}{}:
		default:
		}
	}
}

// run rings timers until ctx ends.
func (a *timerQueue) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ring, next := a.due()
		if ring != nil {
			ring()
			continue
		}
		var wake <-chan time.Time // none while no timer is set: an idle engine does nothing
		if next > 0 {
			timer.Reset(next)
			wake = timer.C
		}
		select {
		case <-wake:
		case <-a.sooner:
		case <-ctx.Done():
			return
		}
	}
}

// due takes the first timer if its time has come, else says how long to sleep;
// 0 when there is none.
func (a *timerQueue) due() (ring func(), next time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.elapsed) > 0 {
		if next = time.Until(a.elapsed[0].at); next <= 0 {
			return heap.Pop(&a.elapsed).(queuedTimer).ring, 0
		}
	}
	if len(a.clock) > 0 {
		left := a.clock[0].at.Sub(a.now())
		if left <= 0 {
			return heap.Pop(&a.clock).(queuedTimer).ring, 0
		}
		if left = min(left, lookAgain); next == 0 || left < next {
			next = left
		}
	}
	return nil, next
}

// timerHeap is a heap by time, and among timers of one instant by the order in
// which they were set. It implements heap.Interface.
type timerHeap []queuedTimer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h timerHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}
func (h *timerHeap) Push(x any) { *h = append(*h, x.(queuedTimer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = queuedTimer{}
	*h = old[:len(old)-1]
	return last
}

// timerKey is the key of a durable timer, comparable.
type timerKey struct {
	due    int64 // µs since 1970
	number history.Number
	id     int32
}

// keyOf is what tells timers apart: the key of their row.
func keyOf(t *store.Timer) timerKey { return timerKey{t.Due.UnixMicro(), t.Number, t.ID} }

// arm keeps a durable timer in memory unless it is due after the horizon: later
// ones are found when the horizon moves. One due exactly then may sort before
// the place from which the index is read on, so it is armed here. mu is held.
func (p *partition) arm(t store.Timer) {
	if _, known := p.armed[keyOf(&t)]; known || t.Due.After(p.horizon) {
		return
	}
	p.armed[keyOf(&t)] = true
	p.tenure.timers.set(t.Due, func() { p.fire(t) })
}

// disarm keeps timers that a decision clears from firing: a cancelled timer
// must not reach an instance that forgets, when it is evicted, that it
// cancelled it. What has rung already is taken out of the inbox. mu is held.
func (p *partition) disarm(inst *instance, timers []store.Timer) {
	if len(timers) == 0 {
		return
	}
	cleared := make(map[int32]time.Time, len(timers)) // when each is due
	for i := range timers {
		t := &timers[i]
		p.armed[keyOf(t)] = false // until the clearing is durable: the index may still be read with it
		cleared[t.ID] = t.Due
	}
	inst.inbox = slices.DeleteFunc(inst.inbox, func(m decide.Message) bool {
		if m.Event.Kind != history.TimerFired {
			return false
		}
		due, ok := cleared[m.Event.TaskID]
		return ok && m.Event.FireAt.Equal(due)
	})
}

// fire tells the instance that its timer is due. The row stays until the turn
// that takes the event in is durable.
func (p *partition) fire(t store.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || !p.armed[keyOf(&t)] {
		return
	}
	inst := p.instance(t.Instance)
	if t.ID == history.NoID {
		inst.unread = true // its start record waits to be looked at
	} else {
		inst.receive(decide.Message{Event: history.Event{
			Kind: history.TimerFired, ID: history.NoID, At: history.Truncate(p.tenure.now()), TaskID: t.ID, FireAt: t.Due,
		}})
	}
	p.wake(inst)
}

// advance moves the horizon one window ahead and arms the timers before it.
func (p *partition) advance(ctx context.Context, after store.Timer) error {
	until := p.tenure.now().Add(timerWindow)
	// The horizon moves first: a timer committed while we read is then armed by
	// its own commit, perhaps twice, but never by nobody.
	p.mu.Lock()
	p.horizon = until
	p.mu.Unlock()
	timers, err := p.tenure.store.Timers(ctx, p.index, after, until, timerPage)
	if err != nil {
		return fmt.Errorf("read timers of partition %d: %w", p.index, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil
	}
	for _, t := range timers {
		p.arm(t)
	}
	next := until.Add(-timerWindow / 2)
	if len(timers) == timerPage { // the rest when these are due
		after = timers[len(timers)-1]
		p.horizon = after.Due
		next = after.Due
	} else {
		after = store.Timer{Due: until}
	}
	p.tenure.timers.set(next, func() {
		if err := p.advance(ctx, after); err != nil && ctx.Err() == nil {
			p.tenure.fail(err)
		}
	})
	return nil
}
