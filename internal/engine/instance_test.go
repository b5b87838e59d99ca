package engine

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/perdure/perdure/internal/history"
)

func TestTerminationBehindAFullTurnEndsBlockedCode(t *testing.T) {
	inst := &instance{row: history.Instance{Number: 1, ID: "i", ExecutionID: "x", Status: history.Running}, running: true}
	for range maxTurnEvents {
		inst.receive(message{event: history.Event{Kind: history.EventRaised, Name: "E"}})
	}
	if inst.ends() {
		t.Error("events alone end the instance")
	}
	inst.receive(message{event: history.Event{Kind: history.ExecutionTerminated}})
	inst.taken, inst.inbox = inst.inbox, nil // by a turn that does not come so far
	if !inst.ends() {
		t.Error("the termination that the running turn has taken, and not accepted, does not end the instance")
	}
}

// A slot that is not replaced runs other turns after one that was left behind.
func TestSlotThatCameBackIsLikeAnyOther(t *testing.T) {
	own := &tenure{left: new(atomic.Int64), log: slog.New(slog.DiscardHandler), ready: newReadyQueue()}
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
