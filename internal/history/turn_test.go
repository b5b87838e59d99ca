package history

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sequence(turns []Turn, end error) iter.Seq2[Turn, error] {
	return func(yield func(Turn, error) bool) {
		for _, turn := range turns {
			if !yield(turn, nil) {
				return
			}
		}
		if end != nil {
			yield(Turn{}, end)
		}
	}
}

func event(kind Kind, id int32) Event { return Event{Kind: kind, ID: id} }

func TestTurns(t *testing.T) {
	start := Turn{Seq: 1, Events: []Event{event(ExecutionStarted, NoID), event(EventRaised, NoID)}}
	first := Turn{Seq: 2, At: noon, Events: []Event{event(TaskScheduled, 0)}}
	second := Turn{Seq: 3, At: noon.Add(time.Second), Events: []Event{event(TaskCompleted, NoID)}}
	merged := Turn{Seq: 2, At: noon, Events: []Event{start.Events[0], start.Events[1], first.Events[0]}}
	broken := errors.New("broken")
	for _, tt := range []struct {
		name    string
		records []Turn
		end     error
		want    []Turn
	}{
		{"nothing", nil, nil, nil},
		{"only started", []Turn{start}, nil, []Turn{start}},
		{"one turn", []Turn{start, first}, nil, []Turn{merged}},
		{"two turns", []Turn{start, first, second}, nil, []Turn{merged, second}},
		{"the middle", []Turn{second}, nil, []Turn{second}},
		{"an error", []Turn{start, first}, broken, []Turn{merged}},
		{"an error after the start", []Turn{start}, broken, nil},
	} {
		var got []Turn
		var end error
		for turn, err := range Turns(sequence(tt.records, tt.end)) {
			if end = err; err != nil {
				break
			}
			got = append(got, turn)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(end, tt.end) {
			t.Errorf("Turns(%s) ends with %v, want %v; -want +got\n%s", tt.name, end, tt.end, diff)
		}
	}
	for range Turns(sequence([]Turn{start, first, second}, nil)) {
		break // must not go on by itself
	}
	if len(start.Events) != 2 || len(first.Events) != 1 {
		t.Errorf("Turns changes the records it is given: %v, %v", start, first)
	}
}

func TestFlatten(t *testing.T) {
	turn := Turn{Seq: 2, At: noon, Events: []Event{event(TaskCompleted, NoID)}}
	want := []Event{
		{Kind: OrchestratorStarted, ID: NoID, At: noon}, event(TaskCompleted, NoID), {Kind: OrchestratorCompleted, ID: NoID, At: noon},
	}
	if diff := cmp.Diff(want, turn.Flatten()); diff != "" {
		t.Errorf("Flatten(): -want +got\n%s", diff)
	}
	start := Turn{Seq: 1, Events: []Event{event(ExecutionStarted, NoID)}}
	if got := start.Flatten(); got != nil {
		t.Errorf("Flatten() of a start record = %v, want none", got)
	}
}
