package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/stacktrace"
)

// This file looks at code that runs, from outside and now and then. It cannot
// stop code; it tells where it is, and sees to it that others go on.

// How long code may take before the watchdog speaks.
const (
	slowTurn     = 2 * time.Second
	slowUnwind   = 2 * time.Second // deferred functions, and activities that nobody wants any more
	slowActivity = 60 * time.Second
	slotsTaken   = 10 * time.Second

	watchPeriod = 500 * time.Millisecond
)

// watch looks, while user code runs, for code that does not come back. Whoever
// begins to run some wakes it; nobody else pays for it.
type watch struct {
	tenure *tenure
	awake  atomic.Bool
	kick   chan struct{} // holds a token when awake was set

	fullSince time.Time // activities have waited for slots since; zero: they do not
	freeSince time.Time // none has had to
	told      bool      // that slots are taken
	bounded   bool      // told that no more slots are replaced

	mu     sync.Mutex           // guards the rest
	unwind map[unwindKey]string // deferred functions that do not come back, with their places
}

// seen is what the watchdog saw of a slot at its last look.
type seen struct {
	serial   uint64
	since    time.Time // it has run the same since
	told     bool
	unwanted time.Time // nobody has wanted the activity since; zero: somebody does
}

// unwindKey tells apart deferred functions that run.
type unwindKey struct {
	instance history.InstanceID
	since    time.Time
}

// newWatch returns a watch over the code of a tenure. It looks while it runs.
func newWatch(t *tenure) *watch {
	return &watch{tenure: t, kick: make(chan struct{}, 1), unwind: make(map[unwindKey]string)}
}

// wake makes sure that somebody looks. It costs nothing while it is awake.
func (w *watch) wake() {
	if !w.awake.Load() && w.awake.CompareAndSwap(false, true) {
		w.kick <- struct{}{}
	}
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) {
	ticks := time.NewTicker(watchPeriod)
	ticks.Stop()
	for {
		select {
		case <-w.kick:
			ticks.Reset(watchPeriod)
		case <-ticks.C:
			if !w.look() {
				ticks.Stop()
				w.awake.Store(false)
				if w.tenure.busy() { // it began before it could see that nobody looks
					w.wake()
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// busy reports whether user code runs.
func (t *tenure) busy() bool {
	for _, s := range t.turnSlots.all() {
		if s.turn.Load() != nil {
			return true
		}
	}
	for _, s := range t.activities.all() {
		if s.activity.Load() != nil {
			return true
		}
	}
	return len(t.exec.Unwinding()) > 0
}

// look looks once. It reports whether user code runs.
func (w *watch) look() (busy bool) {
	t, now := w.tenure, w.tenure.now()
	var turns []*instance
	for _, s := range t.turnSlots.all() {
		serial := s.serial.Load()
		if s.turn.Load() == nil {
			continue
		}
		busy = true
		if s.seen.serial != serial {
			s.seen = seen{serial: serial, since: now}
		}
		s.note.age(now.Sub(s.seen.since))
		t.deaths.outlived(s.note.run(), now.Sub(s.seen.since))
		if !s.seen.told && now.Sub(s.seen.since) >= slowTurn {
			s.seen.told = true
			if inst := t.markStuck(s, serial, s.seen.since); inst != nil {
				turns = append(turns, inst)
			}
		}
	}
	activities, lost, running := w.lookAtActivities(now)
	unwinding, unwound := w.lookAtUnwinding()
	if len(turns)+len(activities)+len(lost)+len(unwinding) > 0 {
		trace := stacktrace.Take() // one for all
		w.tellTurns(turns, trace, now)
		w.tellActivities(activities, trace, now)
		w.tellLost(lost, trace)
		w.tellUnwinding(unwinding, trace)
	}
	w.lookAtSlots(now)
	t.deaths.keep(t.ctx)
	return busy || running || unwound
}

// tellTurns tells of turns that have been stuck.
func (w *watch) tellTurns(turns []*instance, trace *stacktrace.Trace, now time.Time) {
	t := w.tenure
	for _, inst := range turns {
		p := inst.partition
		p.mu.Lock()
		s := inst.stuck
		if s == nil { // it has come back
			p.mu.Unlock()
			continue
		}
		s.place = t.exec.Place(inst.row.Number, trace)
		told, replaced := *s, s.slot.replaced
		if inst.ends() {
			t.leave(inst)
		}
		p.mu.Unlock()
		t.listener.SlowCode(SlowCodeInfo{
			Kind: TurnBlocked, Instance: inst.id, Function: told.function, Task: history.NoID, Since: told.since, For: now.Sub(told.since), Place: told.place,
		})
		if !replaced {
			w.tellBound()
		}
	}
}

// tellBound tells once that lost slots stay lost.
func (w *watch) tellBound() {
	if !w.bounded {
		w.bounded = true
		w.tenure.listener.SlowCode(SlowCodeInfo{Kind: SlotsLost, Slots: maxReplaced})
	}
}

// lookAtActivities returns the slots whose activities take long, and those that
// nobody has wanted for long.
func (w *watch) lookAtActivities(now time.Time) (slow, lost []*slot, running bool) {
	for _, s := range w.tenure.activities.all() {
		serial, a := s.serial.Load(), s.activity.Load()
		if a == nil {
			continue
		}
		running = true
		if s.seen.serial != serial {
			s.seen = seen{serial: serial, since: now}
		}
		s.note.age(now.Sub(s.seen.since))
		w.tenure.deaths.outlived(s.note.run(), now.Sub(s.seen.since))
		if !s.seen.told && now.Sub(s.seen.since) >= slowActivity {
			s.seen.told = true
			slow = append(slow, s)
		}
		switch {
		case a.ctx.Err() == nil:
		case s.seen.unwanted.IsZero():
			s.seen.unwanted = now
		case now.Sub(s.seen.unwanted) >= slowUnwind && w.tenure.activities.lose(s, serial):
			w.tenure.left.Add(1)
			lost = append(lost, s)
		}
	}
	return slow, lost, running
}

// slotMethod is on the stack of every goroutine that runs activities (see
// [stacktrace.Trace.Place]).
const slotMethod = "github.com/perdure/perdure/internal/engine.(*slot).work"

// tellActivities tells of activities that take long. One that has ended
// meanwhile is left out: the trace may be of the next one.
func (w *watch) tellActivities(slots []*slot, trace *stacktrace.Trace, now time.Time) {
	t := w.tenure
	for _, s := range slots {
		a := s.activity.Load()
		if a == nil || s.serial.Load() != s.seen.serial {
			continue
		}
		place := trace.Place(slotMethod, s.address())
		p := a.instance.partition
		p.mu.Lock()
		a.slow = &slow{since: s.seen.since, place: place}
		p.mu.Unlock()
		t.listener.SlowCode(SlowCodeInfo{
			Kind: ActivitySlow, Instance: a.task.Instance, Function: a.task.Name, Task: a.task.ID, Since: s.seen.since, For: now.Sub(s.seen.since), Place: place,
		})
	}
}

// tellLost tells of activities that nobody wants and that do not end: their
// slots have been replaced.
func (w *watch) tellLost(slots []*slot, trace *stacktrace.Trace) {
	t := w.tenure
	for _, s := range slots {
		a := s.activity.Load()
		if a == nil {
			continue
		}
		t.listener.SlowCode(SlowCodeInfo{
			Kind: LeftBehind, Instance: a.task.Instance, Function: a.task.Name, Task: a.task.ID, Since: s.seen.since,
			Place: trace.Place(slotMethod, s.address()), LeftBehind: int(t.left.Load()),
		})
		if t.activities.bounded() {
			w.tellBound()
		}
	}
}

// lookAtUnwinding returns deferred functions that newly do not come back.
func (w *watch) lookAtUnwinding() (slow []Unwinding, running bool) {
	all := w.tenure.exec.Unwinding()
	still := make(map[unwindKey]bool, len(all))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range all {
		key := unwindKey{u.Instance, u.Since}
		still[key] = true
		if _, told := w.unwind[key]; !told && time.Since(u.Since) >= slowUnwind {
			slow = append(slow, u)
		}
	}
	maps.DeleteFunc(w.unwind, func(key unwindKey, _ string) bool { return !still[key] })
	return slow, len(all) > 0
}

// tellUnwinding tells of deferred functions that do not come back. They hold no
// slot, and are counted as left behind.
func (w *watch) tellUnwinding(slow []Unwinding, trace *stacktrace.Trace) {
	for _, u := range slow {
		place := u.Place(trace)
		w.mu.Lock()
		w.unwind[unwindKey{u.Instance, u.Since}] = place
		w.mu.Unlock()
		w.tenure.listener.SlowCode(SlowCodeInfo{
			Kind: DeferredBlocked, Instance: u.Instance, Function: u.Function, Task: history.NoID, Since: u.Since, For: time.Since(u.Since), Place: place,
			LeftBehind: w.leftBehind(),
		})
	}
}

// leftBehind is how many goroutines of user code nobody waits for any more.
func (w *watch) leftBehind() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.tenure.left.Load()) + len(w.unwind)
}

// lookAtSlots tells when activities have waited long for a slot.
func (w *watch) lookAtSlots(now time.Time) {
	taken, waiting := w.tenure.activities.taken()
	if len(taken) == 0 {
		w.fullSince = time.Time{}
		if w.freeSince.IsZero() {
			w.freeSince = now
		}
		if now.Sub(w.freeSince) >= slotsTaken {
			w.told = false
		}
		return
	}
	if w.freeSince = (time.Time{}); w.fullSince.IsZero() {
		w.fullSince = now
	}
	if !w.told && now.Sub(w.fullSince) >= slotsTaken {
		w.told = true
		w.tenure.listener.SlowCode(SlowCodeInfo{
			Kind: SlotsTaken, Since: w.fullSince, For: now.Sub(w.fullSince), Slots: len(taken), Waiting: waiting, Functions: holders(taken),
		})
	}
}

// holders names the functions that hold slots, the most frequent first.
func holders(names []string) string {
	counts := make(map[string]int)
	for _, name := range names {
		counts[name]++
	}
	order := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range order {
		order[i] = fmt.Sprintf("%s (%d)", name, counts[name])
	}
	return strings.Join(order, ", ")
}

// unwinds returns since when and where deferred functions of an instance run
// that do not come back; ok is false when none do.
func (w *watch) unwinds(id history.InstanceID) (since time.Time, place string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, place := range w.unwind {
		if key.instance == id {
			return key.since, place, true
		}
	}
	return time.Time{}, "", false
}
