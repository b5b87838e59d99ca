package replay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// Context is what the code of an orchestrator asks for things with. Its methods
// are for the coroutine only, unless they say otherwise; calls from elsewhere
// change nothing and end with [ErrForeignGoroutine].
type Context struct{ s *Session }

// Instance returns the instance's row as of the session's start. It may be
// called from any goroutine.
func (c *Context) Instance() *history.Instance { return &c.s.config.Instance }

// Now returns the time of the turn. It may be called from any goroutine.
func (c *Context) Now() time.Time { return c.s.now.get() }

// Replaying reports whether what is applied was recorded in an earlier turn. It
// may be called from any goroutine.
func (c *Context) Replaying() bool { return c.s.replaying.Load() }

// ScheduleTask asks for an activity.
func (c *Context) ScheduleTask(a history.Action) *Task {
	a.Kind = history.ScheduleTask
	return c.emit(a)
}

// StartSubOrchestration asks for a child that the code waits for. An empty id
// stands for the default one (docs/contracts/runtime.md 2.4).
func (c *Context) StartSubOrchestration(a history.Action) *Task {
	a.Kind = history.StartSubOrchestration
	if a.Instance != "" {
		if err := c.checkChild(a.Instance); err != nil {
			return c.Failed(a.Name, err)
		}
	}
	return c.emit(a)
}

// StartOrchestration asks for a child that nobody waits for.
func (c *Context) StartOrchestration(a history.Action) error {
	if err := c.checkChild(a.Instance); err != nil {
		return err
	}
	a.Kind, a.FireAndForget = history.StartSubOrchestration, true
	return c.emit(a).err
}

// checkChild reports why a child cannot have id.
func (c *Context) checkChild(id history.InstanceID) error {
	in := &c.s.config.Instance
	switch {
	case fold(string(id)) == fold(string(in.ID)):
		return fmt.Errorf("sub-orchestration id %q is the id of the instance that starts it", id)
	case in.Parent != nil && fold(string(id)) == fold(string(in.Parent.InstanceID)):
		return fmt.Errorf("sub-orchestration id %q is the id of the parent of the instance that starts it", id)
	}
	if err := id.Validate(); err != nil {
		return fmt.Errorf("start a sub-orchestration: %w", err)
	}
	return nil
}

// SendEvent asks to raise an event for another instance.
func (c *Context) SendEvent(to history.InstanceID, name string, payload json.RawMessage) error {
	return c.emit(history.Action{Kind: history.SendEvent, Instance: to, Name: name, Payload: payload}).err
}

// CreateTimer asks to be woken at the time at. What lies beyond
// [history.MaxTime] is never: it is due then.
func (c *Context) CreateTimer(at time.Time) *Task { return c.createTimer(at, false) }

// CreateTimerAfter asks to be woken when d has passed.
func (c *Context) CreateTimerAfter(d time.Duration) *Task {
	return c.createTimer(c.Now().Add(d), true)
}

func (c *Context) createTimer(at time.Time, relative bool) *Task {
	at = history.Tellable(at)
	due := history.Truncate(at)
	if due.Before(at) {
		due = due.Add(100 * time.Nanosecond) // never early
	}
	return c.emit(history.Action{Kind: history.CreateTimer, FireAt: due, Relative: relative})
}

// CancelTimer ends a timer with [ErrCanceled], unless it has fired.
func (c *Context) CancelTimer(t *Task) {
	s := c.s
	if s.co.enter() != nil {
		return
	}
	if t.done {
		s.co.leave()
		return
	}
	s.cancel(t)
	s.co.leave()
	s.proceed(t)
}

// cancel ends a timer that has not. The caller has control.
func (s *Session) cancel(t *Task) {
	delete(s.open, t.ID)
	if !s.replaying.Load() {
		s.canceled = append(s.canceled, t.ID)
	}
	t.err = ErrCanceled
	s.end(t, s.nextPlace())
}

// checkAction reports why a can be no part of a history.
func checkAction(a *history.Action) error {
	if a.Kind == history.CreateTimer {
		return nil
	}
	if err := history.CheckName(a.Name); err != nil {
		return fmt.Errorf("its name: %w", err)
	}
	if err := history.CheckVersion(a.Version); err != nil {
		return fmt.Errorf("version for %s: %w", a.Name, err)
	}
	if err := history.CheckTags(a.Tags); err != nil {
		return fmt.Errorf("tags for %s: %w", a.Name, err)
	}
	return nil
}

// emit gives the action the next sequence id. It returns the task that ends
// when history answers it.
func (c *Context) emit(a history.Action) *Task {
	s := c.s
	if err := checkAction(&a); err != nil {
		return c.Failed(a.Name, err)
	}
	t := &Task{ID: history.NoID, Name: a.Name, kind: a.Kind}
	if err := s.co.enter(); err != nil {
		return c.refused(t, err)
	}
	if int(s.nextID) >= s.config.MaxActions {
		if !s.co.own() {
			s.co.misused.Store(true)
			s.co.leave()
			return c.refused(t, ErrForeignGoroutine)
		}
		s.fatal = &history.Failure{
			Type: history.FailureActionLimit,
			Message: fmt.Sprintf("the execution asked for more than %d actions (maxOrchestrationActions); raise the limit or call ContinueAsNew from time to time",
				s.config.MaxActions),
			NonRetriable: true,
		}
		s.quiet.Store(true)
		s.co.die()
	}
	defer s.co.leave()
	a.ID = s.nextID
	s.nextID++
	t.ID = a.ID
	if a.Kind == history.StartSubOrchestration && a.Instance == "" {
		a.Instance = history.ChildID(s.config.Instance.ID, s.execution, a.ID)
	}
	s.pending = append(s.pending, a)
	if a.Kind != history.SendEvent && !a.FireAndForget {
		if s.open == nil {
			s.open = make(map[int32]*Task)
		}
		s.open[a.ID] = t
	}
	return t
}

// SetCustomStatus replaces the custom status; nil removes it.
func (c *Context) SetCustomStatus(status json.RawMessage) error {
	if err := c.s.co.enter(); err != nil {
		return err
	}
	defer c.s.co.leave()
	c.s.customStatus = &status
	return nil
}

// Next is how an execution goes on as a new one.
type Next struct {
	Input         json.RawMessage
	Version       string
	DiscardEvents bool // events that nobody took are not handed on
}

// ContinueAsNew makes the end of the code the start of a new execution. The
// last call wins.
func (c *Context) ContinueAsNew(next Next) error {
	if err := c.s.co.enter(); err != nil {
		return err
	}
	defer c.s.co.leave()
	c.s.following = &next
	return nil
}

// Blame notes which tasks' failures make the code fail: a rewind makes these
// calls again (docs/contracts/runtime.md 5.7). It says nothing unless the code
// then fails.
func (c *Context) Blame(tasks []int32) {
	if c.s.co.enter() != nil {
		return
	}
	defer c.s.co.leave()
	c.s.causes = tasks
}
