package history

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
