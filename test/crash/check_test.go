package crash

import (
	"bytes"
	"context"
	"iter"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/worker"
)

// checkStore opens the hub that the program left, which has so many instances at least,
// and checks it.
func checkStore(t *testing.T, folder string, atLeast int) {
	t.Helper()
	db, err := embedded.Open(folder, embedded.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer db.Close()
	hub, err := db.Hub("DurableFunctionsHub", store.HubOptions{})
	if err != nil {
		t.Fatalf("open the hub: %v", err)
	}
	if seen := checkHub(t, hub); seen < atLeast {
		t.Errorf("the hub has %d instances, want %d started and children at least", seen, atLeast)
	}
}

// checkHub checks that nothing is stuck, doubled or left behind, and that every
// history replays. It returns the number of instances.
func checkHub(t *testing.T, hub store.Store) (seen int) {
	run, err := worker.New(App(), worker.Options{})
	if err != nil {
		t.Fatalf("worker: %v", err)
	}
	defer run.Close()
	for q := (history.Query{Limit: 500}); ; {
		page, err := hub.ListInstances(t.Context(), q)
		if err != nil {
			t.Fatalf("ListInstances(%+v) = %v", q, err)
		}
		for i := range page.Rows {
			checkInstance(t, hub, run, &page.Rows[i])
		}
		seen += len(page.Rows)
		if q.Before = page.Next; page.Next == 0 {
			break
		}
	}
	checkNothingLeft(t, hub)
	return seen
}

func checkInstance(t *testing.T, hub store.Store, run *worker.Worker, row *history.Instance) {
	if row.Status != history.Completed {
		t.Errorf("%s is %s, want Completed", row.ID, row.Status)
		return
	}
	turns := readTurns(t, hub, row)
	answered := make(map[int32]history.Kind)
	for _, turn := range turns {
		for _, ev := range turn.Events {
			switch ev.Kind {
			case history.TaskCompleted, history.TaskFailed, history.TimerFired,
				history.SubOrchestrationInstanceCompleted, history.SubOrchestrationInstanceFailed:
				if before, twice := answered[ev.TaskID]; twice {
					t.Errorf("%s: task %d has two results, %s and %s", row.ID, ev.TaskID, before, ev.Kind)
				}
				answered[ev.TaskID] = ev.Kind
			}
		}
	}
	replay(t, run, row, turns)
}

func readTurns(t *testing.T, hub store.Store, row *history.Instance) []history.Turn {
	var turns []history.Turn
	for turn, err := range history.Turns(func(yield func(history.Turn, error) bool) {
		for rec, err := range hub.Records(t.Context(), row.Number) {
			turn := history.Turn{}
			if err == nil {
				turn, err = history.DecodeTurn(rec.Seq, rec.Bytes)
			}
			if !yield(turn, err) {
				return
			}
		}
	}) {
		if err != nil {
			t.Fatalf("history of %s: %v", row.ID, err)
		}
		turns = append(turns, turn)
	}
	if len(turns) == 0 {
		t.Fatalf("%s has no history", row.ID)
	}
	return turns
}

// replay runs the last turn again after replaying the ones before, and compares
// what the code asks for with what is recorded.
func replay(t *testing.T, run *worker.Worker, row *history.Instance, turns []history.Turn) {
	last := turns[len(turns)-1]
	var incoming, recorded []history.Event
	for _, ev := range last.Events {
		if ev.Kind.Scheduling() || ev.Kind == history.ExecutionCompleted {
			recorded = append(recorded, ev)
		} else {
			incoming = append(incoming, ev)
		}
	}
	out, err := run.Orchestrate(t.Context(), history.Work{
		Instance:  *row,
		Turn:      history.Turn{Seq: last.Seq, At: last.At, Events: incoming},
		PastTurns: len(turns) - 1,
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range turns[:len(turns)-1] {
					if !yield(turn, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		t.Errorf("replay of %s: %v", row.ID, err)
		return
	}
	if len(out.Actions) != len(recorded) {
		t.Errorf("replay of %s asks for %d actions, %d are recorded", row.ID, len(out.Actions), len(recorded))
		return
	}
	for i := range out.Actions {
		got, _ := out.Actions[i].Event(last.At)
		if want := recorded[i]; got.Kind != want.Kind || got.ID != want.ID || got.Name != want.Name ||
			got.Status != want.Status || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("replay of %s asks for %+v, recorded is %+v", row.ID, got, want)
		}
	}
}

// checkNothingLeft checks that ended instances hold nothing in the store.
func checkNothingLeft(t *testing.T, hub store.Store) {
	for p := range hub.Partitions() {
		for ref, err := range hub.Working(t.Context(), p) {
			t.Errorf("work flag of %s is left, %v", ref.ID, err)
		}
		for m, err := range hub.Inbox(t.Context(), p) {
			t.Errorf("message %+v is left, %v", m.MessageKey, err)
		}
		timers, err := hub.Timers(t.Context(), p, store.Timer{}, time.Now().AddDate(1000, 0, 0), 100)
		if len(timers) > 0 || err != nil {
			t.Errorf("timers are left in partition %d: %+v, %v", p, timers, err)
		}
	}
}
