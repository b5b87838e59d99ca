package history

import (
	"fmt"
	"strings"
)

// Kind says what an event records. The numbers are wire facts
// (docs/contracts/runtime.md 3.1) and never move.
type Kind int8

const (
	NoKind                            Kind = -1 // no event has it
	ExecutionStarted                  Kind = 0
	ExecutionCompleted                Kind = 1
	ExecutionTerminated               Kind = 3
	TaskScheduled                     Kind = 4
	TaskCompleted                     Kind = 5
	TaskFailed                        Kind = 6
	SubOrchestrationInstanceCreated   Kind = 7
	SubOrchestrationInstanceCompleted Kind = 8
	SubOrchestrationInstanceFailed    Kind = 9
	TimerCreated                      Kind = 10
	TimerFired                        Kind = 11
	OrchestratorStarted               Kind = 12
	OrchestratorCompleted             Kind = 13
	EventSent                         Kind = 14
	EventRaised                       Kind = 15
	ContinueAsNew                     Kind = 16
	GenericEvent                      Kind = 17
	ExecutionSuspended                Kind = 19
	ExecutionResumed                  Kind = 20
	ExecutionRewound                  Kind = 21
)

// Class says what part events of a kind play in a history. Each kind has one.
type Class uint8

const (
	Unclassified Class = iota // of what is no kind
	Beginning                 // an execution begins, or begins again
	Scheduling                // records an action that the orchestrator asked for; [Event.ID] is the action's sequence id
	Answer                    // ends what the scheduling event [Event.TaskID] began
	Raised                    // somebody told the code something
	Control                   // somebody told the instance, and not its code, something
	Ending                    // the execution has ended
	Frame                     // the limits of a turn, for readers of other systems; in no stored history
	Foreign                   // of other systems; in no stored history
)

// kinds has a row for each kind: its wire name, its class, and what answers
// answer.
var kinds = [...]struct {
	name    string
	class   Class
	answers Kind
}{
	ExecutionStarted:                  {"ExecutionStarted", Beginning, NoKind},
	ExecutionCompleted:                {"ExecutionCompleted", Ending, NoKind},
	ExecutionTerminated:               {"ExecutionTerminated", Control, NoKind},
	TaskScheduled:                     {"TaskScheduled", Scheduling, NoKind},
	TaskCompleted:                     {"TaskCompleted", Answer, TaskScheduled},
	TaskFailed:                        {"TaskFailed", Answer, TaskScheduled},
	SubOrchestrationInstanceCreated:   {"SubOrchestrationInstanceCreated", Scheduling, NoKind},
	SubOrchestrationInstanceCompleted: {"SubOrchestrationInstanceCompleted", Answer, SubOrchestrationInstanceCreated},
	SubOrchestrationInstanceFailed:    {"SubOrchestrationInstanceFailed", Answer, SubOrchestrationInstanceCreated},
	TimerCreated:                      {"TimerCreated", Scheduling, NoKind},
	TimerFired:                        {"TimerFired", Answer, TimerCreated},
	OrchestratorStarted:               {"OrchestratorStarted", Frame, NoKind},
	OrchestratorCompleted:             {"OrchestratorCompleted", Frame, NoKind},
	EventSent:                         {"EventSent", Scheduling, NoKind},
	EventRaised:                       {"EventRaised", Raised, NoKind},
	ContinueAsNew:                     {"ContinueAsNew", Foreign, NoKind},
	GenericEvent:                      {"GenericEvent", Foreign, NoKind},
	ExecutionSuspended:                {"ExecutionSuspended", Control, NoKind},
	ExecutionResumed:                  {"ExecutionResumed", Control, NoKind},
	ExecutionRewound:                  {"ExecutionRewound", Beginning, NoKind},
}

// Known reports whether there is such a kind.
func (k Kind) Known() bool { return k >= 0 && int(k) < len(kinds) && kinds[k].class != Unclassified }

// Class returns the class of the kind.
func (k Kind) Class() Class {
	if !k.Known() {
		return Unclassified
	}
	return kinds[k].class
}

// Answers returns the kind of scheduling event that events of this kind answer,
// [NoKind] if they are no answers.
func (k Kind) Answers() Kind {
	if !k.Known() {
		return NoKind
	}
	return kinds[k].answers
}

// Scheduling reports whether events of this kind record an action that the
// orchestrator asked for.
func (k Kind) Scheduling() bool { return k.Class() == Scheduling }

// SeenByCode reports whether the code of an orchestrator gets to see events of
// this kind.
func (k Kind) SeenByCode() bool {
	return k == ExecutionStarted || k.Class() == Raised || k.Class() == Answer
}

// Completes reports whether events of this kind stand for their scheduling
// events too where a history is merged.
func (k Kind) Completes() bool { return k.Class() == Answer && k != TimerFired }

// Fails reports whether events of this kind answer that it did not succeed.
func (k Kind) Fails() bool { return k == TaskFailed || k == SubOrchestrationInstanceFailed }

// String returns the wire name, "Unknown" for a number without one.
func (k Kind) String() string {
	if !k.Known() {
		return "Unknown"
	}
	return kinds[k].name
}

// ParseKind reads a wire name in any letter case.
func ParseKind(name string) (Kind, error) {
	for k := range kinds {
		if Kind(k).Known() && strings.EqualFold(kinds[k].name, name) {
			return Kind(k), nil
		}
	}
	return NoKind, fmt.Errorf("%q is not a kind of event", name)
}

// MarshalText writes the wire name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [ParseKind] reads.
func (k *Kind) UnmarshalText(text []byte) error {
	parsed, err := ParseKind(string(text))
	*k = parsed
	return err
}
