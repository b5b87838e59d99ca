package replay

import (
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// queue holds the external events of one name, in any letter case, that no look
// has taken, in order of arrival.
type queue struct {
	events  []arrival
	head    int    // of events; those before it are taken
	watches *watch // of those that are told of arrivals
}

type arrival struct {
	place int
	event *history.Event
}

// len returns how many events can be taken.
func (q *queue) len() int {
	if q == nil {
		return 0
	}
	return len(q.events) - q.head
}

// at returns the event that is taken after n others.
func (q *queue) at(n int) *arrival { return &q.events[q.head+n] }

func fold(name string) string { return strings.ToLower(name) }

// queue returns the queue of a folded name.
func (s *Session) queue(key string) *queue {
	q := s.queues[key]
	if q == nil {
		if s.queues == nil {
			s.queues = make(map[string]*queue)
		}
		q = &queue{}
		s.queues[key] = q
	}
	return q
}

// tidy forgets what is taken of a queue, and the queue if that was all.
func (s *Session) tidy(key string) {
	q := s.queues[key]
	if q == nil || q.len() > 0 {
		return
	}
	q.events, q.head = nil, 0
	if q.watches == nil {
		delete(s.queues, key)
	}
}

// raise adds an event to its queue and lets the code run if it waits for it.
func (s *Session) raise(ev *history.Event) {
	if s.co.ended {
		s.late = append(s.late, *ev)
		return
	}
	key := fold(ev.Name)
	q, place := s.queue(key), s.nextPlace()
	if q.head > len(q.events)/2 {
		q.events = slices.Delete(q.events, 0, q.head)
		q.head = 0
	}
	q.events = append(q.events, arrival{place, ev})
	if key == s.parked.name {
		s.parked.hit = true
	}
	for w := q.watches; w != nil; {
		next := w.next
		if q.len() >= int(w.need) {
			w.remove()
			w.tell()
		}
		w = next
	}
	s.wake(nil)
	if n := q.len(); n > 0 && q.at(n-1).place == place {
		own := *ev // the turn that brought it may be large
		q.at(n - 1).event = &own
	}
}

// rest returns the events that no look has taken, in order of arrival over all
// names.
func (s *Session) rest() []history.Event {
	var all []arrival
	for _, q := range s.queues {
		all = append(all, q.events[q.head:]...)
	}
	slices.SortFunc(all, func(a, b arrival) int { return a.place - b.place })
	var events []history.Event
	for _, a := range all {
		events = append(events, *a.event)
	}
	return events
}

// eventWait is what makes a task a wait for an event.
type eventWait struct {
	key      string    // of its queue
	since    time.Time // of the turn that made it
	limit    *Task     // the timer that ends it; nil: none
	until    time.Time // when limit is due
	timedOut bool      // limit ended it
}

// WaitForEvent returns a task that a look ends with the oldest event of that
// name in the queue. With a limit it ends without one when that time comes
// first: see [Task.TimedOut]. It takes nothing by itself.
func (c *Context) WaitForEvent(name string, limit time.Time) *Task {
	t := c.NewTask(name)
	w := &eventWait{key: fold(name), since: c.s.now.get(), until: limit}
	if !limit.IsZero() {
		if w.limit = c.createTimer(limit, true); w.limit.err != nil {
			return w.limit // there is no such timer
		}
	}
	if err := c.s.co.enter(); err != nil {
		return c.refused(t, err)
	}
	defer c.s.co.leave()
	t.wait = w
	return t
}

// TimedOut reports whether a wait has ended without an event.
func (t *Task) TimedOut() bool { return t.wait != nil && t.wait.timedOut }

// next returns what ends the wait after n earlier events of its queue are taken
// by others: an event, or, when it is nil, the limit at the returned place. ok
// is false when nothing ends it yet.
func (w *eventWait) next(q *queue, n int) (a *arrival, place int, ok bool) {
	fired := w.limit != nil && w.limit.done && w.limit.err == nil
	if q.len() > n {
		if a := q.at(n); !fired || a.place < w.limit.place {
			return a, a.place, true
		}
	}
	if fired {
		return nil, w.limit.place, true
	}
	return nil, 0, false
}
