package replay

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/history"
)

// inbox matches external events with the code that waits for them, by name
// ignoring case. Events nobody waits for are kept in order of arrival; of
// several waiters the newest gets the event (spec/runtime.md 2.6), so that a
// waiter abandoned in a loop does not swallow the next one.
type inbox struct {
	buffered map[string][]arrival
	waiters  map[string][]*Task
	arrivals int
}

type arrival struct {
	place int
	event *history.Event
}

func fold(name string) string { return strings.ToLower(name) }

// take removes the oldest buffered event of that name.
func (in *inbox) take(name string) (*history.Event, bool) {
	key := fold(name)
	list := in.buffered[key]
	if len(list) == 0 {
		return nil, false
	}
	ev := list[0].event
	if len(list) == 1 {
		delete(in.buffered, key)
	} else {
		in.buffered[key] = list[1:]
	}
	return ev, true
}

func (in *inbox) wait(t *Task) {
	if in.waiters == nil {
		in.waiters = make(map[string][]*Task)
	}
	key := fold(t.Name)
	in.waiters[key] = append(in.waiters[key], t)
}

// leave takes a waiter out that nobody waits for any more.
func (in *inbox) leave(t *Task) {
	key := fold(t.Name)
	in.keep(key, slices.DeleteFunc(in.waiters[key], func(w *Task) bool { return w == t }))
}

func (in *inbox) keep(key string, waiters []*Task) {
	if len(waiters) == 0 {
		delete(in.waiters, key)
		return
	}
	in.waiters[key] = waiters
}

// add returns the waiter that gets ev; without one it buffers ev.
func (in *inbox) add(ev *history.Event) (*Task, bool) {
	key := fold(ev.Name)
	if waiters := in.waiters[key]; len(waiters) > 0 {
		last := len(waiters) - 1
		t := waiters[last]
		in.keep(key, waiters[:last])
		return t, true
	}
	if in.buffered == nil {
		in.buffered = make(map[string][]arrival)
	}
	in.buffered[key] = append(in.buffered[key], arrival{in.arrivals, ev})
	in.arrivals++
	return nil, false
}

// rest returns the buffered events in order of arrival.
func (in *inbox) rest() []history.Event {
	var all []arrival
	for _, list := range in.buffered {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Compare(a.place, b.place) })
	var events []history.Event
	for _, a := range all {
		events = append(events, *a.event)
	}
	return events
}

// WaitForEvent returns a task that ends with the next event of that name which
// nobody else gets.
func (c *Context) WaitForEvent(name string) *Task {
	t := c.NewTask(name)
	if err := c.s.co.enter(); err != nil {
		return c.refused(t, err)
	}
	defer c.s.co.leave()
	if ev, ok := c.s.inbox.take(name); ok {
		c.s.end(t)
		t.payload = ev.Payload
		return t
	}
	c.s.inbox.wait(t)
	return t
}

// StopWaiting takes t, of [Context.WaitForEvent], out of those that wait.
func (c *Context) StopWaiting(t *Task) {
	if c.s.co.enter() != nil {
		return
	}
	defer c.s.co.leave()
	c.s.inbox.leave(t)
}

// SetDeadline notes that timer, due at until, ends the wait t, of
// [Context.WaitForEvent]. It is for those who look on; see [Session.Awaits].
func (c *Context) SetDeadline(t, timer *Task, until time.Time) {
	if c.s.co.enter() != nil {
		return
	}
	defer c.s.co.leave()
	t.until, t.timer = until, timer
}

// Awaits returns the events that the code waits for after w.Past, by name. A
// session that is new replays it. The session must not be running.
func (s *Session) Awaits(ctx context.Context, w history.Work) ([]history.Await, error) {
	if s.turns == 0 && w.PastTurns > 0 {
		if err := s.replay(ctx, w); err != nil {
			return nil, err
		}
	}
	if s.fatal != nil {
		return nil, errors.New(s.fatal.Message)
	}
	var awaits []history.Await
	for _, waiters := range s.inbox.waiters {
		t := waiters[len(waiters)-1] // the one that gets the event
		await := history.Await{Event: t.Name, Timer: history.NoID}
		if t.timer != nil {
			await.Until, await.Timer = t.until, t.timer.ID
		}
		awaits = append(awaits, await)
	}
	slices.SortFunc(awaits, func(a, b history.Await) int { return cmp.Compare(a.Event, b.Event) })
	return awaits, nil
}
