package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKindRefusesOtherWords(t *testing.T) {
	if got, err := ParseKind("TaskDone"); err == nil {
		t.Errorf("ParseKind(TaskDone) = %s, want an error", got)
	}
}

func TestKinds(t *testing.T) {
	// A sample of the wire facts; the golden files hold the rest.
	for kind, want := range map[Kind]string{0: "ExecutionStarted", 1: "ExecutionCompleted", 5: "TaskCompleted", 15: "EventRaised", 20: "ExecutionResumed", 2: "Unknown", 18: "Unknown", -1: "Unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d).String() = %s, want %s", kind, got, want)
		}
	}
	for kind := range kindNames {
		if got, err := ParseKind(strings.ToLower(kind.String())); got != kind || err != nil {
			t.Errorf("ParseKind(%s) = %s, %v", strings.ToLower(kind.String()), got, err)
		}
		want := kind == TaskScheduled || kind == SubOrchestrationInstanceCreated || kind == TimerCreated || kind == EventSent
		if got := kind.Scheduling(); got != want {
			t.Errorf("%s.Scheduling() = %t, want %t", kind, got, want)
		}
	}
}

func TestActionEvent(t *testing.T) {
	failure := &Failure{Message: "no"}
	all := Action{
		ID: 7, Name: "n", Version: "v", Payload: []byte(`1`), Instance: "i", FireAt: noon, Attempt: 2, FireAndForget: true, Status: Failed, Failure: failure, Tasks: []int32{1},
	}
	base := Event{ID: 7, At: noon, Name: "n", Version: "v", Payload: []byte(`1`)}
	with := func(change func(*Event)) Event {
		ev := base
		change(&ev)
		return ev
	}
	for kind, want := range map[ActionKind]Event{
		ScheduleTask:          with(func(ev *Event) { ev.Kind, ev.Attempt = TaskScheduled, 2 }),
		CreateTimer:           with(func(ev *Event) { ev.Kind, ev.FireAt = TimerCreated, noon }),
		StartSubOrchestration: with(func(ev *Event) { ev.Kind, ev.Instance, ev.FireAndForget = SubOrchestrationInstanceCreated, "i", true }),
		SendEvent:             with(func(ev *Event) { ev.Kind, ev.Instance = EventSent, "i" }),
		CompleteExecution: with(func(ev *Event) {
			ev.Kind, ev.Status, ev.Failure, ev.Tasks = ExecutionCompleted, Failed, failure, []int32{1}
		}),
	} {
		action := all
		action.Kind = kind
		got, ok := action.Event(noon)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s.Event() = ok %t; -want +got\n%s", kind, ok, diff)
		}
	}
	for kind, name := range map[ActionKind]string{CancelTimer: "CancelTimer", 0: "Unknown", 99: "Unknown"} {
		action := all
		action.Kind = kind
		if ev, ok := action.Event(noon); ok || kind.String() != name {
			t.Errorf("Action(%s).Event() = %v, %t, want none of a %s", kind, ev, ok, name)
		}
	}
}
