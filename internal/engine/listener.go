package engine

import (
	"time"

	"github.com/perdure/perdure/internal/history"
)

// Listener hears what an engine does: the log does, and metrics and whatever
// shows a hub while it works can. Its functions are called where it happens, at
// once from several goroutines and some under a lock: they return soon and do
// not call the engine. What they are given they neither change nor keep. Those
// that are nil are not called.
type Listener struct {
	Turn     func(TurnInfo)
	Attempt  func(AttemptInfo)
	Commit   func(CommitInfo)
	Hold     func(HoldInfo)
	Refusal  func(RefusalInfo)
	SlowCode func(SlowCodeInfo)
	// Successes reports whether Attempt wants those that succeeded; nil: it
	// does not.
	Successes func() bool
}

// TurnInfo is a decision about an instance that is durable.
type TurnInfo struct {
	Kind TurnKind
	Row  *history.Instance // afterwards; of an erasure empty
	Seq  uint32            // of the record; 0 when nothing was recorded
	End  *history.Event    // of the execution; nil while it goes on

	Start StartFate             // of a start by an orchestrator that does not wait
	Met   history.RuntimeStatus // of the instance that the start met
}

// TurnKind is what a decision did.
type TurnKind uint8

const (
	Changed        TurnKind = iota // something else than the others, such as telling a parent
	Started                        // an instance began
	Ran                            // a turn after which it goes on
	ContinuedAsNew                 // the next execution began
	Rewound                        // an instance that had Failed goes on
	Ended
)

// StartFate is what became of a start that no parent waits for.
type StartFate uint8

const (
	Accepted StartFate = iota
	Dropped            // its id belongs to an instance that lives
	Replaced           // in place of an instance that had ended
)

// AttemptInfo is what an attempt at a call came to, durably.
type AttemptInfo struct {
	Instance  history.InstanceID
	Execution history.ExecutionID
	Turn      uint32         // that took it in
	Call      *history.Event // that scheduled it
	End       *history.Event
}

// CommitInfo is a commit that has ended.
type CommitInfo struct {
	Deltas int
	Bytes  int // of records and messages
	Took   time.Duration
	Err    error // nil: it is durable
}

// HoldInfo is work that is held: for the first time, again, or for another
// reason.
type HoldInfo struct {
	*Hold
	Function string
	Again    bool // for the same reason as before
}

// RefusalInfo is an operation that was refused since there is too much work at
// hand.
type RefusalInfo struct {
	Instance history.InstanceID // whose inbox is full; empty: it is the hub's work
	Bytes    int64
	Limit    int64
}

// SlowCodeInfo is code of users that takes long, or that nobody waits for any
// more.
type SlowCodeInfo struct {
	Kind       SlowKind
	Instance   history.InstanceID
	Function   string
	Task       int32 // of an activity; history.NoID for an orchestrator
	Since      time.Time
	For        time.Duration
	Place      string // in the code; empty when that is not known
	LeftBehind int    // goroutines that nobody waits for, this one included

	Slots, Waiting int    // of SlotsTaken: activities that run, and that wait
	Functions      string // of SlotsTaken: what runs, with how often
}

// SlowKind says what is known of slow code.
type SlowKind uint8

const (
	TurnBlocked     SlowKind = iota // a turn does not come back
	ActivitySlow                    // an activity takes long
	DeferredBlocked                 // deferred functions do not come back
	LeftBehind                      // nobody waits for it any more
	CameBack                        // after it had been left behind
	SlotsTaken                      // activities wait for a slot, for long
	SlotsLost                       // slots that are lost are not replaced any more
)

// join returns a listener that calls both, a first.
func join(a, b Listener) Listener {
	return Listener{
		Turn: both(a.Turn, b.Turn), Attempt: both(a.Attempt, b.Attempt), Commit: both(a.Commit, b.Commit),
		Hold: both(a.Hold, b.Hold), Refusal: both(a.Refusal, b.Refusal), SlowCode: both(a.SlowCode, b.SlowCode),
		Successes: func() bool {
			return a.Successes != nil && a.Successes() || b.Successes != nil && b.Successes()
		},
	}
}

// both calls a, then b; it can be called whatever they are.
func both[T any](a, b func(T)) func(T) {
	switch {
	case a == nil && b == nil:
		return func(T) {}
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(what T) {
		a(what)
		b(what)
	}
}
