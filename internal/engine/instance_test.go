package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// moreThanATurnTakes is a number of events: a turn takes 10,000 at most.
const moreThanATurnTakes = 10_001

func TestTerminationBehindAFullTurnEndsBlockedCode(t *testing.T) {
	inst := &instance{row: history.Instance{Number: 1, ID: "i", ExecutionID: "x", Status: history.Running}, running: true}
	for range moreThanATurnTakes {
		inst.receive(decide.Message{Event: history.Event{Kind: history.EventRaised, Name: "E"}})
	}
	if inst.ends() {
		t.Error("events alone end the instance")
	}
	inst.receive(decide.Message{Event: history.Event{Kind: history.ExecutionTerminated}})
	inst.taken, inst.inbox = inst.inbox, nil // by a turn that does not come so far
	if !inst.ends() {
		t.Error("the termination that the running turn has taken, and not accepted, does not end the instance")
	}
}

// A slot that is not replaced runs other turns after one that was left behind.
func TestSlotThatCameBackIsLikeAnyOther(t *testing.T) {
	own := &tenure{left: new(atomic.Int64), listener: join(Listener{}, Listener{}), ready: newReadyQueue()}
	own.left.Add(1)
	inst, s := &instance{partition: &partition{tenure: own}}, &slot{left: true}
	if !own.cameBack(inst, s) || own.left.Load() != 0 {
		t.Errorf("a turn that was left behind is not known as such when it comes back, %d are left", own.left.Load())
	}
	inst.stuck = &stuck{slot: s}
	own.ready.markStuck()
	if own.cameBack(inst, s) || inst.stuck != nil || own.left.Load() != 0 {
		t.Errorf("the next turn of its slot, which nobody left behind, counts as left behind: stuck %v, left %d", inst.stuck, own.left.Load())
	}
}

// An event that is kept for an instance that has failed changes its last record,
// and tells those who wait nothing: the store does.
func TestFinalIsOfTheTurnThatEndedTheInstance(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := history.Instance{Number: history.NewNumber(at.UnixMicro(), 0), ID: "a", ExecutionID: "e", Name: "Fails", Status: history.Failed}
	started := history.Event{Kind: history.ExecutionStarted, ID: history.NoID, At: at, Name: "Fails", Started: &history.Started{ExecutionID: "e"}}
	ended := history.Event{Kind: history.ExecutionCompleted, ID: history.NoID, At: at, Status: history.Failed, Failure: &history.Failure{Message: "boom"}}
	records := []history.Turn{{Seq: 1, Events: []history.Event{started}}, {Seq: 2, At: at, Events: []history.Event{ended}}}
	late := []decide.Message{{Event: history.Event{Kind: history.EventRaised, ID: history.NoID, At: at, Name: "Go"}}}

	step := decide.Open(decide.Inbox{ID: "a", Row: &row, Batch: late, Now: at})
	kept, ok := step.Close(&decide.Answer{Records: records})
	if step.Kind != decide.Keep || !ok {
		t.Fatalf("the step is %v and closes with %t, want Keep and a decision", step.Kind, ok)
	}
	if got := (&decision{Decision: kept}).final(); got != nil {
		t.Errorf("final() of an event that is kept = %+v, want nil", got)
	}
	if got := (&decision{Decision: decide.Erase(row, nil)}).final(); got != nil {
		t.Errorf("final() of an erasure = %+v, want nil", got)
	}
}
