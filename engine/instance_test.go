package engine

import (
	"testing"

	"github.com/perdure/perdure/history"
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
