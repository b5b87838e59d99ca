package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// This file runs the code of turns, and does without code that does not come
// back: its slot is replaced, and its instance can be decided about again by
// those who end it.

// slot is a goroutine that runs user code, one turn or one activity after
// another.
//
// User code is never trusted to come back. One that does not keeps its
// goroutine, which Go cannot end; what it holds besides is taken away from it:
// its slot is replaced by another one, and its instance can be decided about by
// somebody else (see [tenure.leave]). Should it come back after all, it finds
// that it was left behind, and what it led to is dropped.
type slot struct {
	serial   atomic.Uint64            // grows with each thing that it runs
	turn     atomic.Pointer[instance] // whose code runs; nil: none
	activity atomic.Pointer[activity]

	stuck    atomic.Bool // the turn was found not to come back: look at what follows
	left     bool        // and is left behind; guarded by the mutex of the instance's partition
	replaced bool        // and another slot has taken the place of this one; guarded likewise

	lost bool // the activity is left behind; guarded by the mutex of activities

	note note // tells the next process what runs
	seen seen // what the watchdog saw of it
}

// stuck tells of a turn that does not come back.
type stuck struct {
	slot     *slot
	function string
	since    time.Time
	place    string // in the code; empty when it is not known
}

// String tells which code does not come back, since when and where.
func (s *stuck) String() string {
	return fmt.Sprintf("the orchestrator %q, since %s%s", s.function, stamp(s.since), at(s.place))
}

// at ends a sentence with a place in the code, if it is known.
func at(place string) string {
	if place == "" {
		return ""
	}
	return ", at " + place
}

// maxReplaced is how many slots, of turns and of activities each, are made in
// place of those that are lost to code which does not come back. Beyond it what
// is lost stays lost.
const maxReplaced = 1000

// turnSlots are the goroutines that run turns.
type turnSlots struct {
	mu       sync.Mutex // guards the rest
	slots    []*slot
	replaced int // slots that were replaced and have not come back
}

// all returns the slots of now.
func (c *turnSlots) all() []*slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slots[:len(c.slots):len(c.slots)] // replaced, never changed, by add and remove
}

// add copies the list, so that whoever has got it before can walk it without a
// lock.
func (c *turnSlots) add(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = append(c.slots[:len(c.slots):len(c.slots)], s)
}

// remove takes out a slot that was replaced and has come back.
func (c *turnSlots) remove(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rest []*slot
	for _, other := range c.slots {
		if other != s {
			rest = append(rest, other)
		}
	}
	c.slots = rest
	c.replaced--
}

// replace reports whether one more slot may be replaced.
func (c *turnSlots) replace() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replaced >= maxReplaced {
		return false
	}
	c.replaced++
	return true
}

// errLeft is how a turn ends that was left behind: nobody wants what it led to.
var errLeft = errors.New("the turn was left behind")

// orchestrate runs the code of a turn. The caller has set running.
func (t *tenure) orchestrate(inst *instance, w history.Work) (history.Outcome, error) {
	s, run := inst.slot, turnRun(inst.row.Number, w.Turn.Seq)
	if err := t.deaths.admit(run, inst); err != nil {
		return history.Outcome{}, err
	}
	s.note.begin(run)
	s.serial.Store(s.serial.Load() + 1)
	s.turn.Store(inst)
	t.watch.wake()
	out, err := t.exec.Orchestrate(t.ctx, w)
	s.turn.Store(nil)
	s.note.end()
	t.deaths.clear(run)
	if s.stuck.Load() && t.cameBack(inst, s) {
		return history.Outcome{}, errLeft
	}
	return out, err
}

// cameBack ends the case of a turn that was stuck. It reports whether it was
// left behind meanwhile.
func (t *tenure) cameBack(inst *instance, s *slot) (left bool) {
	p := inst.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	s.stuck.Store(false)
	switch {
	case s.left:
		s.left = false // should it not be replaced, it works on
		t.left.Add(-1)
		t.listener.SlowCode(SlowCodeInfo{Kind: CameBack, Instance: inst.id, Task: history.NoID, LeftBehind: int(t.left.Load())})
		return true
	case inst.stuck != nil: // else it came back while it was being marked
		inst.stuck = nil
		t.ready.back()
	}
	return false
}

// markStuck notes that a turn does not come back, and replaces its slot. It
// returns nil if it just did.
func (t *tenure) markStuck(s *slot, serial uint64, since time.Time) *instance {
	inst := s.turn.Load()
	if inst == nil {
		return nil
	}
	p := inst.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	s.stuck.Store(true)
	if s.turn.Load() != inst || s.serial.Load() != serial || p.dead {
		s.stuck.Store(false)
		return nil
	}
	inst.stuck = &stuck{slot: s, function: inst.row.Name, since: since}
	t.ready.markStuck()
	if s.replaced = t.turnSlots.replace(); s.replaced {
		t.hire()
	}
	if inst.idle != nil { // whoever waits for the turn need not wait any longer
		close(inst.idle)
		inst.idle = nil
	}
	return inst
}

// hire starts a goroutine that runs turns.
func (t *tenure) hire() {
	s := &slot{note: t.deaths.take()}
	t.turnSlots.add(s)
	t.loops.Go(func() { t.work(s) }) // ends when runs is closed, or once it was replaced
}

// leave takes the claim away from a turn that does not come back: its instance
// can be decided about again, and what the turn had taken waits. mu is held.
func (t *tenure) leave(inst *instance) {
	p, s := inst.partition, inst.stuck
	inst.stuck, s.slot.left = nil, true
	inst.inbox = slices.Concat(inst.taken, inst.inbox)
	t.ready.leave()
	t.left.Add(1)
	t.exec.Leave(inst.row.Number)
	t.listener.SlowCode(SlowCodeInfo{
		Kind: LeftBehind, Instance: inst.id, Function: s.function, Task: history.NoID, Since: s.since, Place: s.place, LeftBehind: int(t.left.Load()),
	})
	p.yield(inst)
}

// forgetCode drops what the executor has of an instance.
func (t *tenure) forgetCode(number history.Number) {
	t.exec.Forget(number)
	t.watch.wake()
}
