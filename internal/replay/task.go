package replay

import (
	"encoding/json"
	"errors"
	"runtime"
	"time"

	"github.com/perdure/perdure/history"
)

// ErrCanceled is how a timer ends that was cancelled.
var ErrCanceled = errors.New("canceled")

// Task is something the code can wait for. It belongs to the coroutine: what
// it led to may be read after [Context.Await] returned nil for it, or in a
// function given to [Context.OnDone].
type Task struct {
	ID   int32  // of its action; [history.NoID] when it has none
	Name string // of the function or the event

	kind    history.ActionKind // of its action; 0 when it has none
	done    bool
	order   int // place among the tasks that are done
	payload json.RawMessage
	failure *history.Failure
	err     error
	then    []func()
	until   time.Time // of a wait for an event, when timer ends it
	timer   *Task     // nil: none
}

// Payload returns the result.
func (t *Task) Payload() json.RawMessage { return t.payload }

// Failure returns the failure that history recorded for it, nil if none.
func (t *Task) Failure() *history.Failure { return t.failure }

// Err returns why it ended without history having a part in it, nil if it did.
func (t *Task) Err() error { return t.err }

// Order returns its place in the order in which tasks ended.
func (t *Task) Order() int { return t.order }

// refused returns t, a task that only the caller has, as the answer to a call
// that may not happen: ended with err, or never ending while the code unwinds.
func (c *Context) refused(t *Task, err error) *Task {
	if err != errInert {
		t.done, t.err = true, err
	}
	return t
}

// end notes that t has ended. The caller has control.
func (s *Session) end(t *Task) {
	t.done = true
	t.order = s.ends
	s.ends++
}

// NewTask returns a task that ends when [Context.Settle] says so.
func (c *Context) NewTask(name string) *Task { return &Task{ID: history.NoID, Name: name} }

// Failed returns a task that has ended with err.
func (c *Context) Failed(name string, err error) *Task {
	t := c.NewTask(name)
	c.Settle(t, nil, err)
	return t
}

// Settle ends a task that has no action: like the task as, or, without one, with
// err.
func (c *Context) Settle(t, as *Task, err error) {
	s := c.s
	if problem := s.co.enter(); problem != nil {
		c.refused(t, problem)
		return
	}
	if t.done {
		s.co.leave()
		return
	}
	s.end(t)
	t.err = err
	if as != nil {
		t.ID, t.payload, t.failure, t.err = as.ID, as.payload, as.failure, as.err
	}
	s.co.leave()
	s.proceed(t)
}

// proceed runs what continues t, on the coroutine.
func (s *Session) proceed(t *Task) {
	if s.co.enter() != nil {
		return
	}
	then := t.then
	t.then = nil
	s.co.leave()
	for _, f := range then {
		f()
	}
}

// OnDone calls f on the coroutine when t has ended, at once if it has already.
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

// Done reports whether t has ended.
func (c *Context) Done(t *Task) bool {
	if c.s.co.enter() != nil {
		return false
	}
	defer c.s.co.leave()
	return t.done
}

// Await blocks the code until t has ended. It fails with [ErrForeignGoroutine].
func (c *Context) Await(t *Task) error {
	s := c.s
	for checked := false; ; checked = true {
		switch err := s.co.enter(); {
		case err == errInert && s.co.own():
			if t.done {
				return nil
			}
			runtime.Goexit()
		case err != nil:
			return ErrForeignGoroutine
		}
		if t.done {
			s.co.leave()
			return nil
		}
		if !checked && !s.co.own() {
			s.co.misused.Store(true)
			s.co.leave()
			return ErrForeignGoroutine
		}
		s.waiting = t
		s.co.park()
		s.waiting = nil
		s.proceed(s.settled)
	}
}
