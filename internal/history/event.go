package history

import (
	"encoding/json"
	"time"
)

// NoID is the [Event.ID] of events that no action of the orchestrator caused.
const NoID int32 = -1

// Event is one recorded fact. One struct serves every kind, so that codec, fold
// and views are written once; which fields a kind fills:
//
//	ExecutionStarted                   Name Version Payload(input) Started
//	ExecutionCompleted                 ID Status Payload(result) Failure Tasks(that failed it)
//	ExecutionTerminated                Payload(reason) Recursive; from a parent besides: Instance and
//	                                   TaskID(of its call) Started(ExecutionID, when no other's child is meant);
//	                                   for the children of an instance that has ended: Instance(its own)
//	                                   Tasks(told already) Started(ExecutionID Parent Before)
//	ExecutionSuspended, …Resumed       Payload(reason)
//	TaskScheduled                      ID Name Version Payload(input) Attempt
//	TaskCompleted                      TaskID Payload(result)
//	TaskFailed                         TaskID Failure
//	SubOrchestrationInstanceCreated    ID Name Version Payload(input) Instance FireAndForget
//	                                   Started(Tags, when the call has its own)
//	SubOrchestrationInstanceCompleted  TaskID Payload(result)
//	SubOrchestrationInstanceFailed     TaskID Failure
//	TimerCreated                       ID FireAt
//	TimerFired                         TaskID FireAt
//	EventSent                          ID Name Payload Instance
//	EventRaised                        Name Payload Key
//	ExecutionRewound                   Payload(reason) Tasks(undone) Recursive Started(ExecutionID, Parent)
//	OrchestratorStarted, …Completed    (At only)
//
// Events are immutable once recorded; whoever holds one may share it.
type Event struct {
	Kind          Kind
	ID            int32           // sequence id of the action behind it; NoID for incoming events
	At            time.Time       // when it happened; UTC, 100 ns
	Name          string          // function name, or name of an external event
	Version       string          // version asked for; empty when none
	Payload       json.RawMessage // input, result or reason; nil is JSON null
	TaskID        int32           // completions: ID of the scheduling event that this answers
	FireAt        time.Time       // when the timer is due
	Instance      InstanceID      // child started or instance the event was sent to
	Status        RuntimeStatus   // how the execution ended
	Failure       *Failure        // why it did not succeed
	Attempt       int32           // 1 for the first attempt of a task, 2 for its first retry, ...; 0 counts as 1
	FireAndForget bool            // the parent does not wait for this child
	Key           string          // idempotency key of a raised event; empty when none
	Started       *Started        // ExecutionStarted; of some other kinds parts of it
	Tasks         []int32         // sequence ids of scheduling events, see above; nil when none
	Recursive     bool            // the children that the instance waits for are to end too; ExecutionRewound: every failure is undone, in them too
}

// Started is what ExecutionStarted carries; of other kinds the parts that
// [Event] names.
type Started struct {
	ExecutionID ExecutionID
	Parent      *Parent           // nil unless a parent waits for the result
	Tags        map[string]string // nil when none
	ScheduledAt time.Time         // not before; zero when it may start at once
	Generation  int32             // executions that this id had before
	Before      Number            // children with numbers below are still to be told; 0: all
	Keys        []string          // idempotency keys that earlier executions already took, oldest first
	KeyTimes    []time.Time       // when, for each of Keys; nil: no later than this event
}

// Parent tells where a sub-orchestration reports its end.
type Parent struct {
	InstanceID  InstanceID
	ExecutionID ExecutionID
	Name        string
	Version     string
	TaskID      int32  // ID of the SubOrchestrationInstanceCreated event
	Number      Number // of the parent's instance; 0 when it is not known: a child started by a build before codec version 2
}

// Bytes returns how long all of an event is that others chose the length of.
func (e *Event) Bytes() int {
	bytes := len(e.Payload) + len(e.Name) + len(e.Version) + len(e.Key) + len(e.Instance) + e.Failure.Bytes()
	if e.Started != nil {
		bytes += TagsBytes(e.Started.Tags)
	}
	return bytes
}
