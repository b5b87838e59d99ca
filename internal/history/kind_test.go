package history

import (
	"strings"
	"testing"
)

func TestParseKindRefusesOtherWords(t *testing.T) {
	if got, err := ParseKind("TaskDone"); err == nil {
		t.Errorf("ParseKind(TaskDone) = %s, want an error", got)
	}
}

func TestKindNames(t *testing.T) {
	// A sample of the wire facts; the golden files hold the rest.
	for kind, want := range map[Kind]string{0: "ExecutionStarted", 1: "ExecutionCompleted", 5: "TaskCompleted", 15: "EventRaised", 20: "ExecutionResumed", 2: "Unknown", 18: "Unknown", -1: "Unknown", 99: "Unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d).String() = %s, want %s", kind, got, want)
		}
	}
	for k := range kinds {
		kind := Kind(k)
		if !kind.Known() {
			continue
		}
		if got, err := ParseKind(strings.ToLower(kind.String())); got != kind || err != nil {
			t.Errorf("ParseKind(%s) = %s, %v", strings.ToLower(kind.String()), got, err)
		}
	}
}

// Whatever has a name has a class, and what answers something answers a scheduling event.
func TestEveryKindIsClassified(t *testing.T) {
	named := 0
	for k, row := range kinds {
		kind := Kind(k)
		if (row.name != "") != kind.Known() || (row.name != "") != (kind.Class() != Unclassified) {
			t.Errorf("kind %d has the name %q and the class %d", k, row.name, kind.Class())
		}
		if !kind.Known() {
			continue
		}
		named++
		if answers := kind.Answers(); (kind.Class() == Answer) != (answers != NoKind) || answers != NoKind && !answers.Scheduling() {
			t.Errorf("%s has the class %d and answers %s", kind, kind.Class(), answers)
		}
		if kind.Fails() && kind.Class() != Answer {
			t.Errorf("%s fails, and answers nothing", kind)
		}
	}
	for kind, want := range map[Kind]Class{
		ExecutionStarted: Beginning, ExecutionRewound: Beginning, ExecutionCompleted: Ending,
		TaskScheduled: Scheduling, SubOrchestrationInstanceCreated: Scheduling, TimerCreated: Scheduling, EventSent: Scheduling,
		TaskCompleted: Answer, TaskFailed: Answer, SubOrchestrationInstanceCompleted: Answer, SubOrchestrationInstanceFailed: Answer, TimerFired: Answer,
		EventRaised: Raised, ExecutionTerminated: Control, ExecutionSuspended: Control, ExecutionResumed: Control,
		OrchestratorStarted: Frame, OrchestratorCompleted: Frame, ContinueAsNew: Foreign, GenericEvent: Foreign,
	} {
		named--
		if kind.Class() != want {
			t.Errorf("%s has the class %d, want %d", kind, kind.Class(), want)
		}
		if seen := kind == ExecutionStarted || want == Raised || want == Answer; kind.SeenByCode() != seen {
			t.Errorf("%s.SeenByCode() = %t, want %t", kind, kind.SeenByCode(), seen)
		}
	}
	if named != 0 {
		t.Errorf("%d kinds more are named than this test knows", named)
	}
}
