package manage

import (
	"fmt"
	"slices"
	"strings"
)

// This file is a model of one instance, written from the contract and not from
// the engine: what an operation may answer in which state, and what the instance may
// do by itself. It knows nothing of turns, stores or crashes.

// kind is what an operation asks for.
type kind string

const (
	start     kind = "start" // with the default reuse policy
	done      kind = "event done"
	fail      kind = "event fail"
	terminate kind = "terminate"
	suspend   kind = "suspend"
	resume    kind = "resume"
	rewind    kind = "rewind"
	restart   kind = "restart" // with the same id
	purge     kind = "purge"
	status    kind = "status"
	settled   kind = "settled" // status, once nothing moves any more
)

// The answers. Those of status are the first six, and "Terminated" carries
// the reason.
const (
	ok        = "ok"
	absent    = "absent"
	live      = "live"
	completed = "Completed"
	failed    = "Failed"
	stopped   = "Terminated"
	conflict  = "conflict" // the id is in use
	ended     = "ended"
	wrong     = "wrong state"
	unknown   = "unknown" // no answer: the operation may have happened or not
)

// state is all that counts about one instance.
type state struct {
	phase string // absent, live, Completed, Failed or "Terminated REASON"
	// What was accepted while it lived and not applied yet, oldest first, each one
	// of done, fail, suspend, resume and "terminate REASON". An instance that failed keeps
	// it for a rewind.
	queue     []string
	events    []string // applied, but the code has not taken them yet; kept in the same way
	suspended bool     // live only
	calling   bool     // live only: the activity that may fail runs, or has run
}

// key tells states apart.
func (s *state) key() string {
	return fmt.Sprint(s.phase, "|", strings.Join(s.queue, ","), "|", s.suspended, s.calling, "|", strings.Join(s.events, ","))
}

// suspension reports whether the instance will be suspended once all that was
// accepted has been applied.
func (s *state) suspension() bool {
	is := s.suspended
	for _, m := range s.queue {
		switch m {
		case string(suspend):
			is = true
		case string(resume):
			is = false
		}
	}
	return is
}

// apply does the operation. It returns the answer and the state after it.
func (s state) apply(op kind, reason string) (string, state) {
	alive := s.phase == live
	fresh := state{phase: live}
	accept := func(m string) (string, state) {
		s.queue = append(slices.Clone(s.queue), m)
		return ok, s
	}
	switch {
	case op == status || op == settled:
		if op == settled && len(s.moves()) > 0 {
			return "not settled", s
		}
		return s.phase, s
	case op == start && alive:
		return conflict, s
	case op == start:
		return ok, fresh
	case op == purge && alive:
		return wrong, s
	case op == purge:
		if s.phase == absent {
			return absent, s
		}
		return ok, state{phase: absent}
	case s.phase == absent:
		return absent, s
	case op == restart && alive:
		return conflict, s
	case op == restart:
		return ok, fresh
	case op == rewind && s.phase != failed:
		return wrong, s
	case op == rewind: // what it had applied is still there, the call is made again
		return ok, state{phase: live, calling: true, queue: s.queue, events: s.events}
	case !alive:
		return ended, s
	case op == suspend && s.suspension(), op == resume && !s.suspension():
		return wrong, s
	case op == terminate:
		return accept(string(terminate) + " " + reason)
	case (op == done || op == fail) && (slices.Contains(s.queue, string(done)) || slices.Contains(s.events, string(done))):
		return ok, s // the code ends at the first done and never takes what comes after it
	default:
		return accept(string(op))
	}
}

// moves returns the states that the instance may come to by itself, in one step.
func (s state) moves() []state {
	switch {
	case s.phase == failed && len(s.queue) > 0: // only events are kept
		kept := s
		kept.queue = s.queue[1:]
		if m := s.queue[0]; m == string(done) || m == string(fail) {
			kept.events = append(slices.Clone(s.events), m)
		}
		return []state{kept}
	case s.phase != live:
		return nil
	}
	var next []state
	for n := 1; n <= len(s.queue); n++ { // any part of the inbox becomes a turn
		next = append(next, s.turn(n))
	}
	if s.calling && !s.suspended { // the call ends, well or not
		well := s
		well.calling = false
		next = append(next, state{phase: failed, queue: s.queue, events: s.events}, well.run())
	}
	return next
}

// turn applies the first n messages of the queue.
func (s state) turn(n int) state {
	taken := s.queue[:n]
	s.queue, s.events = s.queue[n:], slices.Clone(s.events)
	for _, m := range taken {
		if reason, is := strings.CutPrefix(m, string(terminate)+" "); is {
			return state{phase: stopped + " " + reason}
		}
	}
	for _, m := range taken {
		switch m {
		case string(suspend):
			s.suspended = true
		case string(resume):
			s.suspended = false
		default:
			s.events = append(s.events, m)
		}
	}
	return s.run()
}

// run lets the code take events until one ends it or makes it call.
func (s state) run() state {
	for !s.suspended && !s.calling && len(s.events) > 0 {
		event := s.events[0]
		s.events = s.events[1:]
		if event == string(done) {
			return state{phase: completed}
		}
		s.calling = true
	}
	return s
}
