package hub

import (
	"encoding/json"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// Reuse says what a start does when its instance id exists already
// (docs/contracts/client-api.md 3.1).
type Reuse int8

const (
	RefuseIfActive Reuse = iota // replace an instance that has ended; refuse otherwise
	RefuseIfExists              // refuse
	ReplaceAny                  // replace in any state: a live instance ends at once
	ReturnExisting              // succeed with the one that is there
)

// StartRequest asks for a new instance.
type StartRequest struct {
	Name        string             // orchestrator; required
	ID          history.InstanceID // empty: a random one
	Input       json.RawMessage    // valid JSON; nil is null
	Version     string
	Tags        map[string]string
	ScheduledAt time.Time // not before; zero: now
	Reuse       Reuse
	// Found, if any, is set when the start succeeds with an instance that was
	// there.
	Found *bool
}

// ListRequest asks for a page of instances. Query.Before says nothing.
type ListRequest struct {
	history.Query
	Token string // of the page before; empty: the first page
}

// RaiseRequest asks to hand an external event to an instance.
type RaiseRequest struct {
	Name    string          // required; matched ignoring case
	Payload json.RawMessage // valid JSON; nil is null
	Key     string          // idempotency key, at most [history.MaxKeyLength] bytes: within [history.KeyLife] the instance takes an event of a key once; empty: always
}

// StatusOptions says which parts of a [Status] to read. What is left out is
// nil.
type StatusOptions struct {
	Input   bool // Input
	Output  bool // Output and Failure
	History bool // History
}

// TerminateRequest asks to end an instance.
type TerminateRequest struct {
	Reason    json.RawMessage // becomes the output; valid JSON, nil for none
	Recursive bool            // end its children too, those that it called in whatever execution, and theirs
}

// RewindRequest asks to let a Failed instance go on from before its failure
// (docs/contracts/runtime.md 5.7).
type RewindRequest struct {
	Reason string
	// All undoes every failure in the history, handled ones too, as the
	// reference does. By default only those that ended the instance.
	All bool
}

// RewindPlan tells what a rewind undoes.
type RewindPlan struct {
	Instance   history.InstanceID   `json:"instanceId"`
	Undone     []Undone             `json:"undone"`     // failed calls that are made again
	Turn       int                  `json:"turn"`       // the first turn, from 1, that is undone
	Dropped    int                  `json:"dropped"`    // events that are dropped from the history, besides the failures
	Delivered  int                  `json:"delivered"`  // events of the undone turns that are delivered again: raised events, results of calls that stay
	Activities int                  `json:"activities"` // that run again, or still
	Timers     int                  `json:"timers"`     // that are set again, at their own times
	Rewound    []history.InstanceID `json:"rewound"`    // Failed children that are rewound too
	Terminated []history.InstanceID `json:"terminated"` // children that only the undone turns created; live ones end

	Again []history.InstanceID `json:"again,omitempty"` // children that are started again, since they were purged, replaced or terminated; under new ids unless the calls name theirs
	Kept  []history.InstanceID `json:"kept,omitempty"`  // children that live, or have ended meanwhile: the call ends as they do
	Lost  []history.InstanceID `json:"lost,omitempty"`  // children that were replaced by instances that live: these calls fail
}

// Undone is one failed call.
type Undone struct {
	Task     int32              `json:"task"`                 // its sequence id
	Kind     history.Kind       `json:"kind"`                 // TaskScheduled or SubOrchestrationInstanceCreated
	Name     string             `json:"name"`                 // of the function
	Instance history.InstanceID `json:"instanceId,omitempty"` // the child; empty for an activity
	Failure  *history.Failure   `json:"failure"`
}

// RestartRequest asks to run an instance anew with its name, input, version and
// tags.
type RestartRequest struct {
	SameID bool // in place of the instance, which must have ended; else with a new id
}

// PurgeRequest asks to remove one instance.
type PurgeRequest struct {
	Force     bool // a live instance too: it is terminated first
	Recursive bool // with its whole tree of children; a live child prevents all of it unless forced
}

// PurgeFilter asks to remove the ended instances that match Query; statuses of
// live ones are left aside, none given means all of ended ones.
type PurgeFilter struct {
	history.Query           // Before and Limit say nothing
	Max           int       // stop after so many; 0: no limit
	Until         time.Time // stop, incomplete, at this time; zero: no limit
	DryRun        bool      // count only
	// Progress, if any, is called now and then with what has been purged so
	// far.
	Progress func(PurgeResult)
}

// PurgeResult tells what a purge removed, or would remove.
type PurgeResult struct {
	Deleted  int  `json:"instancesDeleted"`
	Events   int  `json:"eventsDeleted"` // of their histories
	Skipped  int  `json:"skipped"`       // instances that matched but changed meanwhile
	Complete bool `json:"isComplete"`    // nothing is left that matches
}

// Explanation tells why an instance is where it is, and what would move it.
type Explanation struct {
	Instance history.InstanceID    `json:"instanceId"`
	Status   history.RuntimeStatus `json:"runtimeStatus"`
	Summary  string                `json:"summary"`             // one sentence
	Waits    []Wait                `json:"waits"`               // what it waits for, oldest first; none when it has ended
	Kept     []Kept                `json:"kept"`                // events that have come and that it does not wait for, by name; none when it has ended
	Action   string                `json:"action"`              // the one action that would move it: an operation such as "raise-event", "resume", "rewind", "restart"; "wait", "start" (the app) or "deploy" when no operation does; "none" when it has ended well
	Target   history.InstanceID    `json:"target"`              // the instance to act upon: this one, or one that it waits for
	Event    string                `json:"eventName,omitempty"` // of the action "raise-event"
	Advice   string                `json:"advice"`              // what to do, in a sentence; [TheAction] stands for the action upon the target
	// LeftBehind is how many goroutines of user code, of all instances, do not
	// come back and are no longer waited for where the hub runs. Only a restart
	// of the app ends them.
	LeftBehind int    `json:"leftBehind,omitempty"`
	Stack      string `json:"stack,omitempty"` // of the panic behind a failure, where it was raised first; empty when there was none
}

// TheAction stands in [Explanation.Advice] for its action: whoever shows the
// advice says how that is done.
const TheAction = "{action}"

// Wait is something that an instance waits for.
type Wait struct {
	Kind     string             `json:"kind"`                 // "activity", "timer", "event", "child", "start", "worker", "resume", "turn"
	Name     string             `json:"name,omitempty"`       // of the function or the event
	Task     int32              `json:"task"`                 // sequence id; history.NoID when there is none
	Instance history.InstanceID `json:"instanceId,omitempty"` // the child
	Since    time.Time          `json:"since"`                // of an event: the turn in which the code made the wait
	Due      time.Time          `json:"due,omitzero"`         // of timers, scheduled starts and attempts to come
	Attempts int                `json:"attempts"`             // that did not get through
	Running  bool               `json:"running"`              // an activity, or a turn that does not come back: its code runs right now
	Problem  string             `json:"problem,omitempty"`    // why it does not get on; empty when all is well
}

// Kept are events of one name that have come and that an instance does not wait
// for. They are there for a wait to come.
type Kept struct {
	Event string    `json:"name"` // as the oldest has it; matching ignores case
	Count int       `json:"count"`
	Since time.Time `json:"since"` // when the oldest came
}

// Archive is one instance with the history of its current execution, as it can
// be stored elsewhere, as JSON, and imported again.
type Archive = history.Archive

// ImportRequest asks to store an archive as an instance of this hub.
type ImportRequest struct {
	Archive Archive
	ID      history.InstanceID // empty: the archive's own
	Reuse   Reuse              // when the id is in use
}

// Status is what is durably known of an instance.
type Status struct {
	history.Instance                  // UpdatedAt is the time of the newest turn
	Input            json.RawMessage  // of the current execution; nil is null
	Output           json.RawMessage  // Completed: the result; Failed: Failure as a string; Terminated, Suspended: the reason
	Failure          *history.Failure // Failed only
	FailureText      string           // Failed only: [history.Brief] of Failure; it is no payload
	History          []history.Event  // of the current execution, with the turns' frames; nil while Pending
	Problem          string           // what is stored and cannot be shown, and why; empty when all is well
}

// Bytes is how much of a status counts for [history.PageBytes].
func (s *Status) Bytes() int {
	bytes := history.RowBytes(&s.Instance) + len(s.Input) + len(s.Output) + s.Failure.Bytes()
	for i := range s.History {
		bytes += len(s.History[i].Payload) + s.History[i].Failure.Bytes()
	}
	return bytes
}

// StatusPage is a page of a list.
type StatusPage struct {
	Items []Status
	Token string // of the next page; empty: this is the last one
}
