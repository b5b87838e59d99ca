package decide

import (
	"maps"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Rewinds and explanations look back at an execution: which turn brought what,
// which call is behind an event, what was never answered.

// Past is the history of an execution that failed.
type Past struct {
	turns  []int            // for each turn the index of its first record
	events []moment         // all of them
	calls  map[int32]moment // by sequence id: the turn that made it, and the newest event about it
	ended  *history.Event
}

// moment is an event and the turn in which it came, from 0.
type moment struct {
	turn  int
	event *history.Event
}

// Survey reads the history of an execution.
func Survey(records []history.Turn) *Past {
	p := &Past{calls: make(map[int32]moment), ended: LastEvent(records)}
	begun := false // the newest turn has only a start record so far
	for i := range records {
		if !begun {
			p.turns = append(p.turns, i)
		}
		begun = records[i].Start()
		for k := range records[i].Events {
			m := moment{len(p.turns) - 1, &records[i].Events[k]}
			p.events = append(p.events, m)
			if m.event.Kind.Scheduling() {
				if call, ok := p.calls[m.event.ID]; ok { // made again by a rewind
					m.turn = call.turn
				}
				p.calls[m.event.ID] = m
			}
		}
	}
	return p
}

// Children returns the ids of the children, by call, that the execution may
// have to wait for again.
func (p *Past) Children() map[int32]history.InstanceID {
	completed := make(map[int32]bool)
	for _, m := range p.events {
		if m.event.Kind == history.SubOrchestrationInstanceCompleted {
			completed[m.event.TaskID] = true
		}
	}
	children := make(map[int32]history.InstanceID)
	for id, call := range p.calls {
		if ev := call.event; ev.Kind == history.SubOrchestrationInstanceCreated && !ev.FireAndForget && !completed[id] {
			children[id] = ev.Instance
		}
	}
	return children
}

// undo returns the failures to undo, by the call that failed: those that the
// execution's end names, else those of the latest turn that brought any. A
// failure that replay found itself is the code's alone.
func (p *Past) undo(all bool) map[int32]moment {
	failures, named, latest := make(map[int32]moment), make(map[int32]moment), make(map[int32]moment)
	turn := -1
	for _, m := range p.events {
		if !m.event.Kind.Fails() {
			continue
		}
		id := m.event.TaskID
		failures[id] = m
		if slices.Contains(p.ended.Tasks, id) {
			named[id] = m
		}
		if m.turn > turn {
			turn = m.turn
			clear(latest)
		}
		latest[id] = m
	}
	switch {
	case all:
		return failures
	case len(named) > 0:
		return named
	case foundByReplay(p.ended.Failure):
		return nil
	}
	return latest
}

// foundByReplay reports whether a failure came of the code itself and not of a
// call: trying calls again would not help.
func foundByReplay(failure *history.Failure) bool {
	if failure == nil {
		return false
	}
	switch failure.Type {
	case history.FailureNonDeterministic, history.FailureActionLimit, history.FailureMisuse:
		return true
	}
	return false
}

// cut returns the turn in which the first of the failures came, the last turn
// when there are none.
func (p *Past) cut(undone map[int32]moment) int {
	turn := len(p.turns) - 1
	for _, m := range undone {
		turn = min(turn, m.turn)
	}
	return turn
}

// remains are what becomes of the events from the cut on.
type remains struct {
	head     []history.Event  // how the execution began, earlier rewinds and calls that they made again
	facts    []history.Event  // to deliver again, in order
	dropped  int              // events, the failures and the end aside
	children []*history.Event // that nothing has answered and nobody will wait for
}

// divide says what becomes of the events from the cut on: what is kept as the
// beginning of the record, what is delivered again, and what goes. Answers to
// calls that were made before the cut are facts: they happened, and the code
// asks for them again.
func (p *Past) divide(cut int, undone map[int32]moment) remains {
	var r remains
	answered := make(map[int32]bool)
	for _, m := range p.events {
		ev := m.event
		if ev.Kind.Class() == history.Answer {
			answered[ev.TaskID] = true
		}
		if m.turn < cut {
			continue
		}
		switch ev.Kind.Class() {
		case history.Beginning:
			r.head = append(r.head, *ev)
		case history.Raised, history.Control:
			if ev.Kind != history.ExecutionTerminated {
				r.facts = append(r.facts, *ev)
			}
		case history.Answer:
			_, failure := undone[ev.TaskID]
			call, known := p.calls[ev.TaskID]
			switch {
			case failure:
			case known && call.turn < cut:
				r.facts = append(r.facts, *ev)
			default:
				r.dropped++
			}
		case history.Scheduling:
			if p.calls[ev.ID].turn < cut {
				r.head = append(r.head, *ev)
			} else {
				r.dropped++
			}
		}
	}
	for _, m := range p.events {
		if ev := m.event; ev.Kind == history.SubOrchestrationInstanceCreated && p.calls[ev.ID].turn >= cut && !ev.FireAndForget && !answered[ev.ID] {
			r.children = append(r.children, ev)
		}
	}
	return r
}

// describe tells of the failures to undo, in order of their calls.
func (p *Past) describe(undone map[int32]moment) []hub.Undone {
	var list []hub.Undone
	for _, id := range slices.Sorted(maps.Keys(undone)) {
		call := p.calls[id].event
		list = append(list, hub.Undone{Task: id, Kind: call.Kind, Name: call.Name, Instance: call.Instance, Failure: undone[id].event.Failure})
	}
	return list
}
