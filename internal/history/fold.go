package history

import (
	"encoding/json"
	"time"
)

// State is the fold over the records of one execution: all that deciding its
// next turn needs to know of them. It keeps nothing else of them in memory: not
// the turns that its events came with, and no large input of the execution.
type State struct {
	Started   *Event           // ExecutionStarted, without its payload if LargeInput
	Waiting   []Event          // events of a start record whose turn has not happened
	Seq       uint32           // of the newest record
	First     uint32           // of the oldest record
	Turns     int              // turns of this execution
	Events    int32            // events of this execution
	At        time.Time        // time of the newest turn; of the start while there is none
	Open      map[int32]*Event // scheduling events that nothing has answered, by sequence id
	Tasks     int              // activities among them
	Children  bool             // some call started a child, in this execution
	Suspended bool
	Keys      Keys
	Completed *Event // ExecutionCompleted, nil while it lives

	LargeInput   bool // the input is in the history only
	OpenBytes    int  // of payloads in Open
	GivenBytes   int  // of payloads that the code has been given
	LargestBytes int  // of one of these
}

// largeBytes is from where on it pays to copy what is kept of a record rather
// than to keep the record.
const largeBytes = 4 << 10

// eventBytes is what an event takes besides its payload, about.
const eventBytes = 300

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
	bytes := len(t.Events) * eventBytes
	for i := range t.Events {
		bytes += len(t.Events[i].Payload)
	}
	for i := range t.Events {
		s.apply(&t.Events[i], bytes)
	}
	for _, id := range t.Canceled {
		s.answer(id)
	}
}

// apply adds an event of a record that takes so many bytes.
func (s *State) apply(ev *Event, bytes int) {
	if ev.Kind.Class() == Answer {
		s.given(len(ev.Payload))
		s.answer(ev.TaskID)
		return
	}
	switch ev.Kind {
	case ExecutionStarted:
		s.given(len(ev.Payload))
		if s.LargeInput = len(ev.Payload) >= largeBytes; s.LargeInput {
			started := *ev
			started.Payload = nil
			ev = &started
		}
		s.Started = apart(ev, bytes)
		if s.At.Before(ev.At) {
			s.At = ev.At
		}
		for i, key := range ev.Started.Keys {
			at := ev.At
			if i < len(ev.Started.KeyTimes) {
				at = ev.Started.KeyTimes[i]
			}
			s.Keys.Take(key, at)
		}
	case TaskScheduled, TimerCreated:
		s.open(apart(ev, bytes))
	case SubOrchestrationInstanceCreated:
		if !ev.FireAndForget {
			s.open(apart(ev, bytes))
			s.Children = true
		}
	case EventRaised:
		s.given(len(ev.Payload))
		s.Keys.Take(ev.Key, ev.At)
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

// given counts a payload that the code gets to see.
func (s *State) given(bytes int) {
	s.GivenBytes += bytes
	s.LargestBytes = max(s.LargestBytes, bytes)
}

// apart returns ev so that it does not keep a record of so many bytes in
// memory, unless ev is about all there is to it.
func apart(ev *Event, bytes int) *Event {
	if bytes < largeBytes || bytes < 2*(eventBytes+len(ev.Payload)) {
		return ev
	}
	kept := *ev
	kept.Payload = append(json.RawMessage(nil), ev.Payload...)
	return &kept
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
	s.answer(ev.ID) // a call that is made again: it is open already
	s.Open[ev.ID] = ev
	s.OpenBytes += len(ev.Payload)
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
	s.OpenBytes -= len(ev.Payload)
	if ev.Kind == TaskScheduled {
		s.Tasks--
	}
}
