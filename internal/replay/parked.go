package replay

// parkedLook is a look that could not end, and what tells when it is worth
// trying again.
//
// A try costs as much as the look has tasks. So that an arrival or an end costs
// no more than a step, watches lie at tasks and queues: for Any at all members,
// for All at the first member that cannot end and, once that can, at the next.
// They never stay silent when the look can end, and may be wrong the other way
// round: what a look does is for [Session.try] alone to decide.
//
// Where the end of a task lets the whole look end, as a member of Any does, a
// mark in the task is enough, which nobody has to take away: code that takes
// the results of thousands of tasks with WhenAny parks as often, with all of
// them.
type parkedLook struct {
	task  *Task  // nil: no look is parked
	mark  uint32 // tells it from all others of the session; above 0
	name  string // an event of that name is a hit; empty: none
	hit   bool   // it is to be tried again
	every bool   // at every arrival and end: its members compete for events in ways that watches do not see
	laid  [][]watch
	names []string // of the queues at which watches were laid
}

// watch lies in the list of a task, which is told of when it ends, or of a
// queue.
type watch struct {
	session *Session
	part    *part
	member  int32 // of part
	need    int32 // of a queue: so many events
	next    *watch
	prev    **watch // what points to it; nil: it lies nowhere
}

// part is a combination in a parked look.
type part struct {
	up     *part // whose member it is; nil: it is the whole look
	member int32 // of up
	of     *combination
	whole  bool // the look can end when it can
	met    bool // it can end

	// Of All: what the members before next, which can end, take of each queue,
	// and those of them that are no plain tasks.
	next  int32
	taken map[string]int
	past  map[*Task]bool
	sub   *part // of member next
}

// park has the look at t told when it is worth trying again.
func (s *Session) park(t *Task) {
	s.marks++
	s.parked.task, s.parked.mark = t, s.marks
	switch {
	case t.wait != nil: // the most frequent one does without watches
		s.parked.name = t.wait.key
		if t.wait.limit != nil {
			t.wait.limit.mark = s.parked.mark
		}
	case t.members != nil:
		s.parked.every = s.ends(t, nil, 0)
	}
}

// unpark takes all watches away.
func (s *Session) unpark() {
	for _, laid := range s.parked.laid {
		for i := range laid {
			laid[i].remove()
		}
	}
	for _, key := range s.parked.names {
		s.tidy(key)
	}
	s.parked = parkedLook{}
}

// wake lets the code run if what has happened, the end of t if that is not nil,
// is of interest to it.
func (s *Session) wake(t *Task) {
	if s.parked.every {
		s.parked.hit = true
	}
	if s.parked.hit || t != nil && len(t.then) > 0 {
		s.justEnded = t
		s.co.resume()
	}
}

// ends reports whether t, a member of p, can end as far as watches see it. If
// not, p will be told when it can.
func (s *Session) ends(t *Task, p *part, member int32) bool {
	switch {
	case t.done:
		return true
	case t.plain():
		if p.whole && p.of.one {
			t.mark = s.parked.mark
		} else {
			s.lay(&t.watches, p, member, 0)
		}
		return false
	case p.passed(t):
		return true
	case t.wait != nil:
		w, q, taken := t.wait, s.queue(t.wait.key), p.takes(t.wait.key)
		if _, _, ok := w.next(q, taken); ok {
			return true
		}
		s.lay(&q.watches, p, member, taken+1)
		s.parked.names = append(s.parked.names, w.key)
		if w.limit != nil {
			s.lay(&w.limit.watches, p, member, 0)
		}
		return false
	case p != nil && p.sub != nil:
		return p.sub.met
	}
	sub := &part{up: p, member: member, of: t.members, whole: p == nil || p.whole && p.of.one}
	if p != nil && !p.of.one {
		p.sub = sub
	}
	sub.met = s.advance(sub)
	return sub.met
}

// advance goes on over the members of p and reports whether it can end.
func (s *Session) advance(p *part) bool {
	if p.of.one {
		for i, m := range p.of.of {
			if s.ends(m, p, int32(i)) {
				return true
			}
		}
		return false
	}
	for ; int(p.next) < len(p.of.of); p.next++ {
		m := p.of.of[p.next]
		if !s.ends(m, p, p.next) {
			return false
		}
		if !m.plain() && !m.done && !p.passed(m) {
			s.pass(m, p)
		}
	}
	return true
}

// pass notes what the next member of p, an All, takes from those after it.
func (s *Session) pass(m *Task, p *part) {
	if p.past == nil {
		p.past, p.taken = make(map[*Task]bool), make(map[string]int)
	}
	if m.wait != nil {
		if a, _, _ := m.wait.next(s.queues[m.wait.key], p.takes(m.wait.key)); a != nil {
			p.taken[m.wait.key]++
		}
	} else if sub := p.sub; sub != nil { // of an Any it is not known
		for key, n := range sub.taken {
			p.taken[key] += n
		}
		for t := range sub.past {
			p.past[t] = true
		}
	}
	p.past[m], p.sub = true, nil
}

// takes returns how many events of a queue others take before the members of p
// do.
func (p *part) takes(key string) (n int) {
	for ; p != nil; p = p.up {
		n += p.taken[key]
	}
	return n
}

// passed reports whether t is among the members before the next.
func (p *part) passed(t *Task) bool {
	for ; p != nil; p = p.up {
		if p.past[t] {
			return true
		}
	}
	return false
}

// lay puts a watch for a member of p into a list.
func (s *Session) lay(list **watch, p *part, member int32, need int) {
	laid := &s.parked.laid
	last := len(*laid) - 1
	var w *watch
	switch {
	case last >= 0 && (*laid)[last][len((*laid)[last])-1].prev == nil: // it has done its work
		w = &(*laid)[last][len((*laid)[last])-1]
	case last >= 0 && len((*laid)[last]) < cap((*laid)[last]):
		(*laid)[last] = append((*laid)[last], watch{})
		w = &(*laid)[last][len((*laid)[last])-1]
	default:
		*laid = append(*laid, make([]watch, 1, 4))
		w = &(*laid)[last+1][0]
	}
	*w = watch{session: s, part: p, member: member, need: int32(need), next: *list, prev: list}
	if w.next != nil {
		w.next.prev = &w.next
	}
	*list = w
}

// remove takes w out of its list.
func (w *watch) remove() {
	if w.prev == nil {
		return
	}
	*w.prev = w.next
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
}

// tell has the look go on from where w lay.
func (w *watch) tell() {
	s, member := w.session, w.member
	for p := w.part; p != nil; p = p.up {
		if p.met || !p.of.one && (p.next != member || !s.advance(p)) {
			return
		}
		p.met, member = true, p.member
	}
	s.parked.hit = true
}
