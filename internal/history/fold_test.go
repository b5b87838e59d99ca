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

// A key is remembered for a day from when its event was accepted, however many
// others come; of those of earlier executions each has its own time.
func TestStateKeys(t *testing.T) {
	raised := func(key string, at time.Time) Event { return Event{Kind: EventRaised, ID: NoID, Key: key, At: at} }
	start := Turn{Seq: 1, Events: []Event{{Kind: ExecutionStarted, ID: NoID, At: noon, Started: &Started{
		Keys: []string{"a", "b"}, KeyTimes: []time.Time{noon.Add(-2 * time.Hour)},
	}}}}
	s := fold(start, turnAt(2, raised("c", noon.Add(time.Hour)), raised("", noon), raised("d", noon.Add(2*time.Hour))))
	for key, life := range map[string]time.Duration{"a": 22 * time.Hour, "b": 24 * time.Hour, "c": 25 * time.Hour, "d": 26 * time.Hour} {
		if !s.Keys.Taken(key, noon.Add(life-1)) || s.Keys.Taken(key, noon.Add(life)) {
			t.Errorf("key %s is not remembered for %s", key, life)
		}
	}
	if s.Keys.Taken("", noon) || s.Keys.Taken("e", noon) {
		t.Errorf("keys are remembered that nobody used")
	}
	var many []Event
	for i := range 2000 {
		many = append(many, raised(fmt.Sprintf("%0300d", i), noon.Add(3*time.Hour)))
	}
	turn := turnAt(3, many...)
	s.Apply(&turn)
	if got := s.Keys.Bytes(noon.Add(4 * time.Hour)); got != 4+2000*300 || !s.Keys.Taken("c", noon.Add(4*time.Hour)) {
		t.Errorf("after 2000 more keys %d bytes are remembered, want all, %d", got, 4+2000*300)
	}
	keys, times := s.Keys.List(noon.Add(25 * time.Hour))
	if len(keys) != 2001 || keys[0] != "d" || !times[0].Equal(noon.Add(2*time.Hour)) || s.Keys.Bytes(noon.Add(25*time.Hour)) != 1+2000*300 {
		t.Errorf("a day later %d keys are left, the oldest %q of %s", len(keys), keys[0], times[0])
	}
	last := turnAt(4, raised("c", noon.Add(30*time.Hour)))
	s.Apply(&last)
	if keys, _ := s.Keys.List(noon.Add(30 * time.Hour)); !slices.Equal(keys, []string{"c"}) {
		t.Errorf("keys at last are %v, want c, taken anew", keys)
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
