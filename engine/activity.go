package engine

import (
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/perdure/perdure/history"
)

// activity is a scheduled task from the commit that scheduled it to the turn
// that takes its result in. The TaskScheduled event is its durable record; there
// is no other: after a crash it is found there and runs again.
type activity struct {
	instance *instance
	task     history.Task
	held     *Hold       // after a run that ended in "not now"
	running  atomic.Bool // its code runs right now
	wanted   wanted      // ends when the result is no longer wanted
}

// bytes is what an activity costs until its result is there.
func (a *activity) bytes() int64 { return activityBytes + int64(len(a.task.Input)) }

// activities runs activities, at most max at a time, in the order of their
// dispatch. Goroutines are started as they are needed and then kept, with the
// stacks they have grown.
type activities struct {
	max int
	run func(*activity)

	mu      sync.Mutex // guards the rest
	more    sync.Cond  // signalled when a goroutine may go on
	queue   []*activity
	workers int // goroutines
	waiting int // those that have nothing to run
	stopped bool
	idle    chan struct{} // closed when stopped and no goroutine is left
}

func newActivities(max int, run func(*activity)) *activities {
	as := &activities{max: max, run: run, idle: make(chan struct{})}
	as.more.L = &as.mu
	return as
}

// dispatch queues a; it never blocks.
func (as *activities) dispatch(a *activity) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.stopped {
		return
	}
	as.queue = append(as.queue, a)
	switch {
	case as.waiting >= len(as.queue):
		as.more.Signal()
	case as.workers < as.max:
		as.workers++
		go as.work() // ends after stop, which tells when
	}
}

func (as *activities) work() {
	exited := true // as user code can
	defer func() {
		if exited {
			go as.work() // takes its place
		}
	}()
	for a := as.next(); a != nil; a = as.next() {
		as.run(a)
	}
	exited = false
}

// next waits for an activity to run; nil after stop.
func (as *activities) next() *activity {
	as.mu.Lock()
	defer as.mu.Unlock()
	for !as.stopped {
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
		if a.wanted.Err() == nil { // else it is not wanted any more: it never starts
			return a
		}
	}
	as.workers--
	if as.workers == 0 {
		close(as.idle)
	}
	return nil
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
		if t.exec == nil || inst.tasks[ev.ID] != nil {
			continue
		}
		a := &activity{instance: inst, task: history.Task{
			Instance: inst.id, ExecutionID: inst.row.ExecutionID, ID: ev.ID, Name: ev.Name, Version: ev.Version,
			Input: ev.Payload, Attempt: max(ev.Attempt, 1), ScheduledAt: ev.At,
		}}
		if a.task.Version == "" {
			a.task.Version = inst.row.Version
		}
		a.wanted.parent = t.ctx
		if inst.tasks == nil {
			inst.tasks = make(map[int32]*activity)
		}
		inst.tasks[ev.ID] = a
		inst.taskBytes += a.bytes()
		t.activities.dispatch(a)
	}
}

// abandon gives up all activities of inst. mu of the partition is held.
func (inst *instance) abandon() {
	for _, a := range inst.tasks {
		a.wanted.cancel()
	}
	inst.tasks, inst.taskBytes = nil, 0
}

// perform runs a to its end. The result is not stored by itself: it becomes
// durable with the turn that takes it in.
func (t *tenure) perform(a *activity) {
	a.running.Store(true)
	if t.logs(slog.LevelDebug) {
		t.log.Debug("activity started", "instance", a.task.Instance, "execution", a.task.ExecutionID, "task", a.task.ID, "function", a.task.Name, "attempt", a.task.Attempt)
	}
	t.exec.RunActivity(&a.wanted, a.task, func(result json.RawMessage, failure *history.Failure, err error) {
		a.running.Store(false)
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
	if !a.settle() {
		return
	}
	a.instance.receive(message{execution: a.task.ExecutionID, event: ev})
	p.wake(a.instance)
}

// settle takes a out of its instance; false if nobody wants its result. mu of
// the partition is held.
func (a *activity) settle() bool {
	inst := a.instance
	if inst.partition.dead || inst.tasks[a.task.ID] != a {
		return false
	}
	a.wanted.cancel()
	delete(inst.tasks, a.task.ID)
	inst.taskBytes -= a.bytes()
	return true
}

// performLater holds an activity that could not run here and now.
func (t *tenure) performLater(a *activity, err error) {
	if a.wanted.Err() != nil {
		return
	}
	p := a.instance.partition
	p.mu.Lock()
	a.held = t.hold(a.held, a.instance.id, a.task.ID, a.task.Name, err)
	retryAt := a.held.RetryAt
	p.mu.Unlock()
	t.alarms.set(retryAt, func() { t.activities.dispatch(a) })
}
