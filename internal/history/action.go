package history

import (
	"encoding/json"
	"time"
)

// ActionKind says what user code asks for.
type ActionKind int8

const (
	ScheduleTask          ActionKind = iota + 1 // run an activity
	CreateTimer                                 // wake me at FireAt
	CancelTimer                                 // forget the timer whose sequence id is ID; recorded in Turn.Canceled
	StartSubOrchestration                       // start a child
	SendEvent                                   // raise an event for another instance
	CompleteExecution                           // this execution has ended; always the last action of a turn
)

var actionNames = [...]string{"", "ScheduleTask", "CreateTimer", "CancelTimer", "StartSubOrchestration", "SendEvent", "CompleteExecution"}

func (k ActionKind) String() string {
	if k < 1 || int(k) >= len(actionNames) {
		return "Unknown"
	}
	return actionNames[k]
}

// Action is one request of an orchestrator. Actions of a turn are handed over
// in ascending ID; the fields a kind fills are those of the event that will
// record it (see [Event] and [Action.Event]).
type Action struct {
	Kind          ActionKind
	ID            int32 // sequence id; CancelTimer: the timer's
	Name          string
	Version       string
	Payload       json.RawMessage
	Instance      InstanceID
	FireAt        time.Time
	Relative      bool              // CreateTimer: FireAt is so long after the turn's time
	Tags          map[string]string // StartSubOrchestration: the child's own; the parent's are inherited
	Attempt       int32
	FireAndForget bool

	// CompleteExecution only.
	Status  RuntimeStatus // Completed, Failed or ContinuedAsNew
	Failure *Failure
	Tasks   []int32 // Failed: whose failure the code answered, by sequence id; nil when none is known
	Carry   []Event // ContinuedAsNew: EventRaised events that the next execution shall find, in order
}

// Event returns the scheduling event that records the action at the time at.
// CancelTimer has none: ok is false.
func (a *Action) Event(at time.Time) (ev Event, ok bool) {
	ev = Event{ID: a.ID, At: at, Name: a.Name, Version: a.Version, Payload: a.Payload}
	switch a.Kind {
	case ScheduleTask:
		ev.Kind, ev.Attempt = TaskScheduled, a.Attempt
	case CreateTimer:
		ev.Kind, ev.FireAt = TimerCreated, a.FireAt
	case StartSubOrchestration:
		ev.Kind, ev.Instance, ev.FireAndForget = SubOrchestrationInstanceCreated, a.Instance, a.FireAndForget
		if len(a.Tags) > 0 {
			ev.Started = &Started{Tags: a.Tags} // for the call that a rewind makes again
		}
	case SendEvent:
		ev.Kind, ev.Instance = EventSent, a.Instance
	case CompleteExecution:
		ev.Kind, ev.Status, ev.Failure, ev.Tasks = ExecutionCompleted, a.Status, a.Failure, a.Tasks
	default:
		return Event{}, false
	}
	return ev, true
}
