package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// This file runs activities. A call is dispatched once the turn that made it is
// durable, runs in a slot, and its result goes into the inbox of its instance.
// The result is not stored by itself: a crash before the next turn lets the
// activity run again, which costs less than a commit for each.

// activity is a scheduled task from the commit that scheduled it to the turn
// that takes its result in. The TaskScheduled event is its durable record;
// there is no other: after a crash it is found there and runs again.
type activity struct {
	instance *instance
	task     history.Task
	run      runID
	held     *Hold       // after a run that ended in "not now"
	slow     *slow       // once it has run for long
	running  atomic.Bool // its code runs right now
	ctx      lazyContext // ends when the result is no longer wanted
}

// bytes is what an activity costs until its result is there.
func (a *activity) bytes() int64 { return activityBytes + int64(len(a.task.Input)) }

// slow tells of an activity that has run for long.
type slow struct {
	since time.Time
	place string // in the code; empty when it is not known
}

// activities runs activities, at most max at a time, in the order of their
// dispatch. Goroutines are started as they are needed and then kept, with the
// stacks they have grown.
type activities struct {
	max    int
	run    func(*activity)
	deaths *deaths
	wake   func() // called before each run

	mu       sync.Mutex // guards the rest
	more     sync.Cond  // signalled when a goroutine may go on
	queue    []*activity
	slots    []*slot // one for each goroutine, the lost ones too; replaced, never changed
	workers  int     // goroutines that are not lost
	lost     int     // goroutines that are, and have been replaced
	waiting  int     // those that have nothing to run
	stopped  bool
	idle     chan struct{} // closed when stopped and no goroutine is left
	returned func()        // called when a lost goroutine has come back
}

// newActivities returns slots for max activities at a time, each of which run
// runs to its end. Goroutines are made when there is work, and stay.
func newActivities(max int, run func(*activity)) *activities {
	as := &activities{max: max, run: run, deaths: new(deaths), wake: func() {}, returned: func() {}, idle: make(chan struct{})}
	as.more.L = &as.mu
	return as
}

// all returns the slots of now.
func (as *activities) all() []*slot {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.slots
}

// dispatch queues a; it never blocks.
func (as *activities) dispatch(a *activity) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.stopped {
		return
	}
	as.queue = append(as.queue, a)
	as.hire()
}

// hire sees that somebody runs what has just been queued. mu is held.
func (as *activities) hire() {
	switch {
	case as.waiting >= len(as.queue):
		as.more.Signal()
	case as.workers < as.max:
		as.workers++
		s := &slot{note: as.deaths.take()}
		as.slots = append(as.slots[:len(as.slots):len(as.slots)], s)
		go s.work(as) // ends after stop, which tells when, or once it was lost
	}
}

// work runs activities until there are no more.
func (s *slot) work(as *activities) {
	exited := true // as user code can
	defer func() {
		if exited {
			s.activity.Store(nil)
			s.note.end()
			go s.work(as) // takes its place
		}
	}()
	for a := as.next(s); a != nil; a = as.next(s) {
		s.serial.Store(s.serial.Load() + 1)
		s.activity.Store(a)
		as.wake()
		s.note.begin(a.run)
		as.run(a)
		s.note.end()
		s.activity.Store(nil)
	}
	exited = false
}

// address is what [stacktrace.Trace.Place] finds the goroutine by.
func (s *slot) address() uintptr { return uintptr(unsafe.Pointer(s)) }

// next waits for an activity to run; nil after stop, and for a slot that was
// lost.
func (as *activities) next(s *slot) *activity {
	as.mu.Lock()
	defer as.mu.Unlock()
	for !as.stopped && !s.lost {
		if len(as.queue) == 0 {
			as.waiting++
			as.more.Wait()
			as.waiting--
			continue
		}
		a := as.queue[0]
		as.queue[0] = nil
		if as.queue = as.queue[1:]; len(as.queue) == 0 {
			as.queue = nil
		}
		if a.ctx.Err() == nil { // else it is not wanted any more: it never starts
			return a
		}
	}
	as.slots = slices.DeleteFunc(slices.Clone(as.slots), func(other *slot) bool { return other == s })
	as.deaths.put(s.note)
	if s.lost {
		as.lost--
		as.returned()
		return nil
	}
	as.workers--
	if as.workers == 0 && as.stopped {
		close(as.idle)
	}
	return nil
}

// lose gives up the slot of an activity that nobody wants and that does not
// come back: another takes its place. It reports whether that was news.
func (as *activities) lose(s *slot, serial uint64) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	if s.lost || as.lost >= maxReplaced || s.activity.Load() == nil || s.serial.Load() != serial {
		return false
	}
	s.lost = true
	as.lost++
	as.workers--
	if as.stopped && as.workers == 0 {
		close(as.idle)
	}
	if len(as.queue) > 0 && !as.stopped {
		as.hire()
	}
	return true
}

// bounded reports whether no more slots are replaced.
func (as *activities) bounded() bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.lost >= maxReplaced
}

// taken returns the names of what holds the slots, while all are taken and
// others wait.
func (as *activities) taken() (names []string, waiting int) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.stopped || len(as.queue) == 0 || as.waiting > 0 || as.workers < as.max {
		return nil, 0
	}
	for _, s := range as.slots {
		if a := s.activity.Load(); a != nil && !s.lost {
			names = append(names, a.task.Name)
		}
	}
	return names, len(as.queue)
}

// stop starts no more activities and returns a channel that is closed when none
// runs.
func (as *activities) stop() <-chan struct{} {
	as.mu.Lock()
	defer as.mu.Unlock()
	if !as.stopped {
		as.stopped, as.queue = true, nil
		if as.workers == 0 {
			close(as.idle)
		}
		as.more.Broadcast()
	}
	return as.idle
}

// schedule dispatches the activities of the given events. mu of the partition
// is held.
func (t *tenure) schedule(inst *instance, events []*history.Event) {
	for _, ev := range events {
		if !t.exec.runs || inst.tasks[ev.ID] != nil {
			continue
		}
		a := &activity{instance: inst, task: history.Task{
			Instance: inst.id, ExecutionID: inst.row.ExecutionID, ID: ev.ID, Name: ev.Name, Version: ev.Version,
			Input: ev.Payload, Attempt: max(ev.Attempt, 1), ScheduledAt: ev.At,
		}}
		if a.task.Version == "" {
			a.task.Version = inst.row.Version
		}
		a.ctx.parent = t.ctx
		if inst.tasks == nil {
			inst.tasks = make(map[int32]*activity)
		}
		inst.tasks[ev.ID] = a
		inst.taskBytes += a.bytes()
		a.run = activityRun(inst.row.Number, inst.row.Generation, ev.ID)
		t.dispatch(a)
	}
}

// dispatch queues a, unless it has to wait because it was running when the
// process died. mu of the partition is held.
func (t *tenure) dispatch(a *activity) {
	err := t.deaths.admit(a.run, a)
	switch {
	case err == nil:
		t.activities.dispatch(a)
	case aside(err):
		t.log.Error("an activity is put aside: the program died each time it ran", "instance", a.task.Instance, "function", a.task.Name, "task", a.task.ID)
		failure := &history.Failure{Type: history.FailurePoison, Message: fmt.Sprintf("activity %s: %v", a.task.Name, err), NonRetriable: true}
		t.timers.after(0, func() { t.performed(a, nil, failure) })
	default:
		a.held = t.hold(nil, a.instance.id, a.task.ID, a.task.Name, err)
	}
}

// runAgain implements [heldRun].
func (a *activity) runAgain() {
	p := a.instance.partition
	p.mu.Lock()
	a.held = nil
	p.mu.Unlock()
	p.tenure.activities.dispatch(a)
}

// abandon gives up all activities of inst. mu of the partition is held.
func (inst *instance) abandon() {
	for _, a := range inst.tasks {
		a.ctx.cancel()
	}
	inst.tasks, inst.taskBytes = nil, 0
}

// perform runs a to its end. The result is not stored by itself: it becomes
// durable with the turn that takes it in.
func (t *tenure) perform(a *activity) {
	a.running.Store(true)
	if t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.log.Debug("activity started", "instance", a.task.Instance, "execution", a.task.ExecutionID, "task", a.task.ID, "function", a.task.Name, "attempt", a.task.Attempt)
	}
	t.exec.RunActivity(&a.ctx, a.task, func(result json.RawMessage, failure *history.Failure, err error) {
		a.running.Store(false)
		t.deaths.clear(a.run)
		if err != nil {
			t.performLater(a, err)
		} else {
			t.performed(a, result, failure)
		}
	})
}

// performed hands the result of a to its instance.
func (t *tenure) performed(a *activity, result json.RawMessage, failure *history.Failure) {
	ev := history.Event{Kind: history.TaskCompleted, ID: history.NoID, At: history.Truncate(t.now()), TaskID: a.task.ID, Payload: result}
	if failure != nil {
		ev.Kind, ev.Payload, ev.Failure = history.TaskFailed, nil, failure
	}
	p := a.instance.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if !a.detach() {
		return
	}
	a.instance.receive(decide.Message{Execution: a.task.ExecutionID, Event: ev})
	p.wake(a.instance)
}

// detach takes a out of its instance; false if nobody wants its result. mu of
// the partition is held.
func (a *activity) detach() bool {
	inst := a.instance
	if inst.partition.dead || inst.tasks[a.task.ID] != a {
		return false
	}
	a.ctx.cancel()
	delete(inst.tasks, a.task.ID)
	inst.taskBytes -= a.bytes()
	return true
}

// performLater holds an activity that could not run here and now.
func (t *tenure) performLater(a *activity, err error) {
	if a.ctx.Err() != nil || errors.Is(err, history.ErrStopping) { // the next owner finds it
		return
	}
	p := a.instance.partition
	p.mu.Lock()
	a.held = t.hold(a.held, a.instance.id, a.task.ID, a.task.Name, err)
	delay := a.held.delay
	p.mu.Unlock()
	t.timers.after(delay, func() { t.activities.dispatch(a) })
}
