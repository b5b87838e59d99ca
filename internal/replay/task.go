package replay

import (
	"encoding/json"
	"errors"
	"runtime"

	"github.com/perdure/perdure/internal/history"
)

// ErrCanceled is how a timer ends that was cancelled.
var ErrCanceled = errors.New("canceled")

// Task is something the code can wait for: what answers an action, a wait for
// an event ([Context.WaitForEvent]), or a combination of tasks ([Context.Any],
// [Context.All]). It belongs to the coroutine: what it led to may be read after
// [Context.Await] returned nil for it, or in a function given to
// [Context.OnDone].
type Task struct {
	ID   int32  // of its action; [history.NoID] when it has none
	Name string // of the function or the event

	kind    history.ActionKind // of its action; 0 when it has none
	done    bool
	place   int // where it ended, see [Session]
	payload json.RawMessage
	failure *history.Failure
	err     error
	then    []func()
	mark    uint32       // of the look that may end when it ends, see [parkedLook]
	watches *watch       // of looks that go on when it ends
	wait    *eventWait   // nil: it is no wait for an event
	members *combination // nil: it is no combination
}

// Payload returns the result.
func (t *Task) Payload() json.RawMessage { return t.payload }

// Failure returns the failure that history recorded for it, nil if none.
func (t *Task) Failure() *history.Failure { return t.failure }

// Err returns why it ended without history having a part in it, nil if it did.
func (t *Task) Err() error { return t.err }

// Place returns where in the order of all arrivals and ends it ended.
func (t *Task) Place() int { return t.place }

// plain reports whether history or a call ends t, and no look.
func (t *Task) plain() bool { return t.wait == nil && t.members == nil }

// refused returns t, a task that only the caller has, as the answer to a call
// that may not happen: ended with err, or never ending while the code unwinds.
func (c *Context) refused(t *Task, err error) *Task {
	if err != errInert {
		t.done, t.err = true, err
	}
	return t
}

// nextPlace numbers what happens next.
func (s *Session) nextPlace() int {
	s.places++
	return s.places
}

// end notes that t, a plain task, has ended at a place, and tells those who
// wait for it. The caller has control.
func (s *Session) end(t *Task, place int) {
	t.done, t.place = true, place
	if t == s.parked.task || t.mark != 0 && t.mark == s.parked.mark {
		s.parked.hit = true
	}
	for w := t.watches; w != nil; {
		next := w.next
		w.remove()
		w.tell()
		w = next
	}
}

// NewTask returns a task that ends when [Context.Finish] says so.
func (c *Context) NewTask(name string) *Task { return &Task{ID: history.NoID, Name: name} }

// Failed returns a task that has ended with err.
func (c *Context) Failed(name string, err error) *Task {
	t := c.NewTask(name)
	c.Finish(t, nil, err)
	return t
}

// Finish ends a task of [Context.NewTask]: like the task as, where that ended,
// or, without one, here with err.
func (c *Context) Finish(t, as *Task, err error) {
	s := c.s
	if problem := s.co.enter(); problem != nil {
		c.refused(t, problem)
		return
	}
	if t.done {
		s.co.leave()
		return
	}
	if t.err = err; as != nil {
		t.ID, t.payload, t.failure, t.err = as.ID, as.payload, as.failure, as.err
		s.end(t, as.place)
	} else {
		s.end(t, s.nextPlace())
	}
	s.co.leave()
	s.proceed(t)
}

// proceedEnded runs what continues the task for which the code was resumed,
// if any.
func (s *Session) proceedEnded() {
	t := s.justEnded
	s.justEnded = nil // it may hold a large result
	s.proceed(t)
}

// proceed runs what continues t, on the coroutine.
func (s *Session) proceed(t *Task) {
	if t == nil || len(t.then) == 0 || s.co.enter() != nil {
		return
	}
	then := t.then
	t.then = nil
	s.co.leave()
	for _, f := range then {
		f()
	}
}

// OnDone calls f on the coroutine when t, a plain task, has ended, at once if
// it has already.
func (c *Context) OnDone(t *Task, f func()) {
	if c.s.co.enter() != nil {
		return
	}
	done := t.done
	if !done {
		t.then = append(t.then, f)
	}
	c.s.co.leave()
	if done {
		f()
	}
}

// Done reports whether t has ended. It is a look.
func (c *Context) Done(t *Task) bool {
	s := c.s
	if s.co.enter() != nil {
		return false
	}
	defer s.co.leave()
	if !t.done && !t.plain() && !s.co.own() {
		s.co.misused.Store(true)
		return false
	}
	return s.look(t)
}

// Await blocks the code until t has ended. It is a look. It fails with
// [ErrForeignGoroutine].
func (c *Context) Await(t *Task) error {
	s := c.s
	for parked := false; ; parked = true {
		switch err := s.co.enter(); {
		case err == errInert && s.co.own():
			if t.done {
				return nil
			}
			runtime.Goexit()
		case err != nil:
			return ErrForeignGoroutine
		}
		if !parked && !t.done && !s.co.own() {
			s.co.misused.Store(true)
			s.co.leave()
			return ErrForeignGoroutine
		}
		if !parked || s.parked.hit {
			s.unpark()
			if s.look(t) {
				s.co.leave()
				return nil
			}
			s.park(t)
		}
		s.co.park()
		s.proceedEnded()
	}
}
