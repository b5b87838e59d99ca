package history

import (
	"slices"
	"time"
)

// maxKeys is how many idempotency keys an instance remembers.
const maxKeys = 1000

// State is the fold over the records of one execution: all that deciding its
// next turn needs to know of them.
type State struct {
	Started   *Event           // ExecutionStarted
	Waiting   []Event          // events of a start record whose turn has not happened
	Seq       uint32           // of the newest record
	First     uint32           // of the oldest record
	Turns     int              // turns of this execution
	Events    int32            // events of this execution
	At        time.Time        // time of the newest turn; of the start while there is none
	Open      map[int32]*Event // scheduling events that nothing has answered, by sequence id
	Tasks     int              // activities among them
	Suspended bool
	Keys      []string // the newest idempotency keys taken, oldest first
	Completed *Event   // ExecutionCompleted, nil while it lives
}

// Apply adds the next record. Records must come in order of Seq.
func (s *State) Apply(t *Turn) {
	if s.First == 0 {
		s.First = t.Seq
	}
	s.Seq = t.Seq
	s.Events += int32(len(t.Events))
	if t.Start() {
		s.Waiting = t.Events
	} else {
		s.Waiting = nil
		s.Turns++
		s.At = t.At
	}
	for i := range t.Events {
		s.apply(&t.Events[i])
	}
}

func (s *State) apply(ev *Event) {
	switch ev.Kind {
	case ExecutionStarted:
		s.Started = ev
		if s.At.Before(ev.At) {
			s.At = ev.At
		}
		for _, key := range ev.Started.Keys {
			s.remember(key)
		}
	case TaskScheduled, TimerCreated:
		s.open(ev)
	case SubOrchestrationInstanceCreated:
		if !ev.FireAndForget {
			s.open(ev)
		}
	case TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed, TimerFired:
		s.answer(ev.TaskID)
	case EventRaised:
		s.remember(ev.Key)
	case ExecutionSuspended:
		s.Suspended = true
	case ExecutionResumed:
		s.Suspended = false
	case ExecutionCompleted:
		s.Completed = ev
	case ExecutionRewound:
		s.rewind(ev)
	}
}

// rewind takes over what the event changes. The calls that it undid are made
// again: each is one attempt more.
func (s *State) rewind(ev *Event) {
	s.Completed = nil
	if s.At.Before(ev.At) {
		s.At = ev.At
	}
	if s.Started != nil && ev.Started != nil {
		started, inner := *s.Started, *s.Started.Started
		inner.ExecutionID = ev.Started.ExecutionID
		if ev.Started.Parent != nil {
			inner.Parent = ev.Started.Parent
		}
		started.Started = &inner
		s.Started = &started
	}
	for _, id := range ev.Tasks {
		if task, ok := s.Open[id]; ok {
			again := *task
			again.Attempt = max(again.Attempt, 1) + 1
			s.Open[id] = &again
		}
	}
}

func (s *State) open(ev *Event) {
	if s.Open == nil {
		s.Open = make(map[int32]*Event)
	}
	s.Open[ev.ID] = ev
	if ev.Kind == TaskScheduled {
		s.Tasks++
	}
}

func (s *State) answer(id int32) {
	ev, ok := s.Open[id]
	if !ok {
		return
	}
	delete(s.Open, id)
	if ev.Kind == TaskScheduled {
		s.Tasks--
	}
}

func (s *State) remember(key string) {
	if key == "" {
		return
	}
	if len(s.Keys) >= maxKeys {
		s.Keys = slices.Clone(s.Keys[len(s.Keys)-maxKeys+1:])
	}
	s.Keys = append(s.Keys, key)
}
