package replay

// This file is what a look does (design: an event is taken when the code
// looks).
//
// A look at a task ends it if it can end now: a wait with the oldest event of
// its queue, or with its limit where that fired before the event came; Any with
// the member that ended, or can end, at the lowest place, the first of the
// arguments if two are equal, and with that member alone; All with all members,
// one after the other, each wait with an event of its own. A look that cannot
// end changes nothing.
//
// What tasks end on the way is noted in a journal, so that it can be undone: of
// Any all members are tried, and of All none may have ended when one cannot.

// combination is what makes a task a combination.
type combination struct {
	one    bool // it ends with one member, not with all
	of     []*Task
	winner int // of Any
}

// Any returns a task that a look ends with the member that ended first. There
// must be one.
func (c *Context) Any(members []*Task) *Task { return c.combine("WhenAny", true, members) }

// All returns a task that a look ends when all members can end.
func (c *Context) All(members []*Task) *Task {
	t := c.combine("WhenAll", false, members)
	if len(members) == 0 {
		c.Finish(t, nil, nil)
	}
	return t
}

func (c *Context) combine(name string, one bool, members []*Task) *Task {
	t := c.NewTask(name)
	t.members = &combination{one: one, of: members}
	return t
}

// Winner returns the index of the member with which a task of [Context.Any]
// ended.
func (t *Task) Winner() int { return t.members.winner }

// ending is what a look does to a task.
type ending struct {
	task   *Task
	place  int
	taken  *arrival // of its queue's events the first; nil: none
	winner int
}

func (s *Session) note(e ending) {
	t := e.task
	t.done, t.place = true, e.place
	switch {
	case t.wait == nil:
		t.members.winner = e.winner
	case e.taken != nil:
		t.payload = e.taken.event.Payload
		s.queues[t.wait.key].head++
	default:
		t.wait.timedOut = true
	}
	s.journal = append(s.journal, e)
}

// undo takes back all but the first n endings.
func (s *Session) undo(n int) {
	for i := len(s.journal) - 1; i >= n; i-- {
		e := &s.journal[i]
		t := e.task
		t.done, t.place, t.payload = false, 0, nil
		switch {
		case t.wait == nil:
		case e.taken != nil:
			s.queues[t.wait.key].head--
		default:
			t.wait.timedOut = false
		}
	}
	clear(s.journal[n:])
	s.journal = s.journal[:n]
}

// look ends t if it can end, and reports whether it has. The caller has
// control.
func (s *Session) look(t *Task) bool {
	if !s.try(t) {
		return false
	}
	for i := range s.journal {
		e := &s.journal[i]
		if m := e.task.members; m != nil {
			m.of = nil // nobody looks at them through it again
			continue
		}
		if e.taken == nil {
			continue
		}
		e.taken.event = nil
		s.tidy(e.task.wait.key)
		if limit := e.task.wait.limit; limit != nil && !limit.done {
			s.cancel(limit)
		}
	}
	clear(s.journal)
	s.journal = s.journal[:0]
	return true
}

// try ends t if it can, and reports whether it has; if not, all is as it was.
func (s *Session) try(t *Task) bool {
	switch {
	case t.done:
		return true
	case t.wait != nil:
		a, place, ok := t.wait.next(s.queues[t.wait.key], 0)
		if ok {
			s.note(ending{task: t, place: place, taken: a})
		}
		return ok
	case t.members == nil:
		return false
	case t.members.one:
		return s.tryAny(t)
	}
	return s.tryAll(t)
}

func (s *Session) tryAll(t *Task) bool {
	start, place := len(s.journal), 0
	for _, m := range t.members.of {
		if !s.try(m) {
			s.undo(start)
			return false
		}
		place = max(place, m.place)
	}
	s.note(ending{task: t, place: place})
	return true
}

func (s *Session) tryAny(t *Task) bool {
	start, winner, place := len(s.journal), -1, 0
	var endings []ending // of winner
	for i, m := range t.members.of {
		if !s.try(m) {
			continue
		}
		better := winner < 0 || m.place < place
		if better {
			winner, place = i, m.place
			endings = append(endings[:0], s.journal[start:]...)
		}
		s.undo(start)
	}
	if winner < 0 {
		return false
	}
	for _, e := range endings {
		s.note(e)
	}
	s.note(ending{task: t, place: place, winner: winner})
	return true
}
