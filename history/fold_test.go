package history

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fold(turns ...Turn) *State {
	s := new(State)
	for i := range turns {
		s.Apply(&turns[i])
	}
	return s
}

func startRecord(seq uint32, keys ...string) Turn {
	return Turn{Seq: seq, Events: []Event{{Kind: ExecutionStarted, ID: NoID, At: noon, Name: "Hello", Started: &Started{Keys: keys}}}}
}

func turnAt(seq uint32, events ...Event) Turn {
	return Turn{Seq: seq, At: noon.Add(time.Duration(seq) * time.Second), Events: events}
}

func TestStateOfStart(t *testing.T) {
	s := fold(startRecord(5))
	if s.Started == nil || s.Started.Name != "Hello" || len(s.Waiting) != 1 || s.First != 5 || s.Seq != 5 || s.Turns != 0 || !s.At.Equal(noon) {
		t.Errorf("state after the start record = %+v", s)
	}
	turn := turnAt(6)
	s.Apply(&turn)
	if len(s.Waiting) != 0 || s.First != 5 || s.Seq != 6 || s.Turns != 1 || !s.At.Equal(turn.At) {
		t.Errorf("state after the first turn = %+v", s)
	}
}

func TestStateOpen(t *testing.T) {
	answer := func(kind Kind, id int32) Event { return Event{Kind: kind, ID: NoID, TaskID: id} }
	forgotten := event(SubOrchestrationInstanceCreated, 3)
	forgotten.FireAndForget = true
	all := turnAt(2, event(TaskScheduled, 0), event(TimerCreated, 1), event(SubOrchestrationInstanceCreated, 2), forgotten, event(EventSent, 4), event(TaskScheduled, 5))
	for _, tt := range []struct {
		name  string
		turns []Turn
		open  []int32
		tasks int
	}{
		{"scheduled", nil, []int32{0, 1, 2, 5}, 2},
		{"task completed", []Turn{turnAt(3, answer(TaskCompleted, 0))}, []int32{1, 2, 5}, 1},
		{"task failed", []Turn{turnAt(3, answer(TaskFailed, 5))}, []int32{0, 1, 2}, 1},
		{"timer fired", []Turn{turnAt(3, answer(TimerFired, 1))}, []int32{0, 2, 5}, 2},
		{"child completed", []Turn{turnAt(3, answer(SubOrchestrationInstanceCompleted, 2))}, []int32{0, 1, 5}, 2},
		{"child failed", []Turn{turnAt(3, answer(SubOrchestrationInstanceFailed, 2))}, []int32{0, 1, 5}, 2},
		{"completed twice", []Turn{turnAt(3, answer(TaskCompleted, 0)), turnAt(4, answer(TaskCompleted, 0))}, []int32{1, 2, 5}, 1},
		{"unknown id", []Turn{turnAt(3, answer(TaskCompleted, 99))}, []int32{0, 1, 2, 5}, 2},
	} {
		s := fold(slices.Concat([]Turn{startRecord(1), all}, tt.turns)...)
		if diff := cmp.Diff(tt.open, slices.Sorted(maps.Keys(s.Open))); diff != "" || s.Tasks != tt.tasks {
			t.Errorf("%s: %d open activities, want %d; open ids -want +got\n%s", tt.name, s.Tasks, tt.tasks, diff)
		}
	}
}

func TestStateSuspended(t *testing.T) {
	s := fold(startRecord(1), turnAt(2, event(ExecutionSuspended, NoID)))
	if !s.Suspended {
		t.Errorf("Suspended = false after ExecutionSuspended")
	}
	resumed := turnAt(3, event(ExecutionResumed, NoID))
	if s.Apply(&resumed); s.Suspended {
		t.Errorf("Suspended = true after ExecutionResumed")
	}
}

func TestStateCompleted(t *testing.T) {
	s := fold(startRecord(1), turnAt(2, Event{Kind: ExecutionCompleted, Status: Failed}))
	if s.Completed == nil || s.Completed.Status != Failed {
		t.Errorf("Completed = %v, want status Failed", s.Completed)
	}
}

func TestStateKeys(t *testing.T) {
	raised := func(key string) Event { return Event{Kind: EventRaised, ID: NoID, Key: key} }
	s := fold(startRecord(1, "a", "b"), turnAt(2, raised("c"), raised(""), raised("d")))
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, s.Keys); diff != "" {
		t.Errorf("Keys: -want +got\n%s", diff)
	}
	var many []Event
	for i := range maxKeys {
		many = append(many, raised(fmt.Sprint(i)))
	}
	turn := turnAt(3, many...)
	if s.Apply(&turn); len(s.Keys) != maxKeys || s.Keys[0] != "0" || s.Keys[maxKeys-1] != fmt.Sprint(maxKeys-1) {
		t.Errorf("after %d more keys: %d, from %s to %s, want the newest %d", maxKeys, len(s.Keys), s.Keys[0], s.Keys[len(s.Keys)-1], maxKeys)
	}
}

func TestStateEvents(t *testing.T) {
	s := fold(startRecord(1), turnAt(2), turnAt(3, event(TaskScheduled, 0), event(TimerCreated, 1)))
	if s.Events != 3 {
		t.Errorf("Events = %d after a start and two scheduling events, want 3", s.Events)
	}
}

func TestStateOfRewind(t *testing.T) {
	first := turnAt(2, Event{Kind: TaskScheduled, ID: 0, Attempt: 2}, event(TaskScheduled, 1))
	parent := &Parent{InstanceID: "p", ExecutionID: "p2"}
	rewound := Turn{Seq: 3, Events: []Event{
		{Kind: ExecutionRewound, ID: NoID, At: noon.Add(time.Hour), Tasks: []int32{0, 7}, Started: &Started{ExecutionID: "e2", Parent: parent}},
		event(EventRaised, NoID),
	}}
	s := fold(startRecord(1), first, turnAt(3, Event{Kind: ExecutionCompleted, Status: Failed}))
	s.Apply(&rewound)
	if s.Completed != nil || s.Turns != 2 || len(s.Waiting) != 2 || !s.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("state after a rewind = %+v, want it to wait for a turn", s)
	}
	if got := s.Started.Started; got.ExecutionID != "e2" || got.Parent != parent {
		t.Errorf("Started after a rewind = %+v, want execution e2 of parent p", got)
	}
	if s.Open[0].Attempt != 3 || s.Open[1].Attempt != 0 || first.Events[0].Attempt != 2 {
		t.Errorf("attempts after a rewind of task 0 = %d, %d (%d is recorded), want 3, 0 (2)", s.Open[0].Attempt, s.Open[1].Attempt, first.Events[0].Attempt)
	}
	again := Turn{Seq: 4, Events: []Event{{Kind: ExecutionRewound, ID: NoID, Tasks: []int32{0}, Started: &Started{ExecutionID: "e3"}}}}
	if s.Apply(&again); s.Started.Started.Parent != parent || s.Started.Started.ExecutionID != "e3" || s.Open[0].Attempt != 4 {
		t.Errorf("after another rewind: %+v, attempt %d, want execution e3 of parent p, attempt 4", s.Started.Started, s.Open[0].Attempt)
	}
}
