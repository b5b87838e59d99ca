package engine

import (
	"slices"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// instance is what the owner of a partition holds of one instance in memory. It
// exists only while there is something to hold: messages, activities, a turn, a
// commit under way, or a fold kept to save reading it again. Everything in it
// can be read back from the store once deltas is 0.
//
// What it is doing, by queued, running and inFlight; deltas counts its commits
// under way:
//
//	          wake, when ready            pop             decided
//	at rest ------------------> queued -------> running ----------> deltas > 0; inFlight after a turn
//	   ^  \                                     ^   |                      |
//	   |   +--- an operation claims it ---------+   | nothing to store     | durable
//	   +--------------------------------------------+----------------------+ then wake again
//
// A turn that is in flight keeps the next one from being queued, but not
// operations. An instance that is held is not ready until its hold is over, or
// a termination comes. One that is at rest and droppable leaves memory.
//
// Its fields are guarded by the partition's mutex, except that row and state
// belong to whoever has set running, until running is cleared.
type instance struct {
	id        history.InstanceID
	partition *partition

	known bool             // row is as the store has it, or will once the commits under way are done
	row   history.Instance // Number 0: there is no such instance
	state *history.State   // nil: not loaded

	inbox   []decide.Message
	taken   []decide.Message    // what the running turn works on
	tasks   map[int32]*activity // scheduled, no result yet
	flagged bool                // the work flag as stored or under way
	unread  bool                // the store knows of something to do that is not loaded

	queued   bool   // in the run queue
	running  bool   // somebody decides about it
	slot     *slot  // of the turn that runs, while running; may be an old one when no turn does
	stuck    *stuck // the turn that runs does not come back; nil: it may
	inFlight bool   // a turn is not durable yet: the next one waits
	deltas   int    // commits under way
	held     *Hold  // after a turn that could not be run

	tally      tally // of inbox; while running, of taken too
	keysKnown  bool  // keyBytes is what its history remembers
	keyBytes   int   // of idempotency keys, those that age has made void included
	startBytes int64 // payloads of the start record that waits
	taskBytes  int64 // cost of tasks
	weight     int64 // all of it, as counted by weigh

	idle chan struct{} // closed when running is cleared; nil unless someone waits for that
}

// exists reports whether there is such an instance.
func (i *instance) exists() bool { return i.row.Number != 0 }

// ready reports whether a turn can be decided now and there is reason to. It
// and what it asks look at the clock only if they must: most instances are not
// scheduled.
func (i *instance) ready(now func() time.Time) bool {
	if i.queued || i.running || i.inFlight {
		return false
	}
	if i.held != nil && !i.held.over && !i.terminating() {
		return false
	}
	if i.early(now) && !i.unread && !i.terminating() && i.tally.starts == 0 {
		return false // what is in the inbox is for the first turn
	}
	return len(i.inbox) > 0 || i.unread || i.waiting(now)
}

// early reports whether the instance is a scheduled start that is not due.
func (i *instance) early(now func() time.Time) bool {
	return i.row.Status == history.Pending && !i.row.ScheduledAt.IsZero() && now().Before(i.row.ScheduledAt)
}

// terminating reports whether a termination has arrived: it needs no user code,
// so nothing can hold it.
func (i *instance) terminating() bool { return i.tally.terminations > 0 }

// ends reports whether a termination has arrived that ends the instance
// whatever its code does. It may be a part of what the running turn has taken:
// a turn accepts so many messages only, and the others stay. mu of the
// partition is held.
func (i *instance) ends() bool {
	ends := func(m decide.Message) bool {
		return m.Event.Kind == history.ExecutionTerminated && (m.Execution == "" || m.Execution == i.row.ExecutionID) && decide.Terminates(&m.Event, &i.row)
	}
	return i.terminating() && (slices.ContainsFunc(i.taken, ends) || slices.ContainsFunc(i.inbox, ends))
}

// waiting reports whether the execution's first turn is due.
func (i *instance) waiting(now func() time.Time) bool {
	return i.state != nil && len(i.state.Waiting) > 0 && (i.row.ScheduledAt.IsZero() || !now().Before(i.row.ScheduledAt))
}

// droppable reports whether nothing is lost when the instance is dropped from
// memory.
func (i *instance) droppable() bool {
	return !i.queued && !i.running && i.deltas == 0 && i.held == nil && len(i.inbox) == 0 && len(i.tasks) == 0 && !i.unread
}

// runAgain implements [heldRun].
func (i *instance) runAgain() { i.partition.tryAgain(i) }

// clearInbox empties the inbox of an instance that goes, except for what
// belongs to the next one: the start of a child with this id and all behind it.
// Starts by the instances gone go too; what is to end a tree stays, since that
// is about a number. It returns the rows to delete.
func (i *instance) clearInbox(gone map[history.InstanceID]bool) []store.MessageKey {
	at := slices.IndexFunc(i.inbox, func(m decide.Message) bool {
		return m.Event.Kind == history.ExecutionStarted && (m.Event.Started.Parent == nil || !gone[m.Event.Started.Parent.InstanceID])
	})
	if at < 0 {
		at = len(i.inbox)
	}
	var kept []decide.Message
	var consumed []store.MessageKey
	for k := range i.inbox {
		m := &i.inbox[k]
		switch {
		case k >= at || decide.EndsTree(&m.Event):
			kept = append(kept, *m)
		case m.Stored:
			consumed = append(consumed, m.Key)
		}
	}
	i.inbox = kept
	return consumed
}

// answered returns the activities whose results wait to be taken in: they are
// open in the history, and have run.
func (i *instance) answered() map[int32]bool {
	var ids map[int32]bool
	for _, inbox := range [][]decide.Message{i.taken, i.inbox} {
		for k := range inbox {
			m := &inbox[k]
			if kind := m.Event.Kind; kind != history.TaskCompleted && kind != history.TaskFailed || m.Execution != i.row.ExecutionID {
				continue
			}
			if ids == nil {
				ids = make(map[int32]bool)
			}
			ids[m.Event.TaskID] = true
		}
	}
	return ids
}

// suspension reports whether the instance will be suspended once what is in its
// inbox has been applied.
func (i *instance) suspension() bool {
	suspended := i.row.Status == history.Suspended
	for _, inbox := range [][]decide.Message{i.taken, i.inbox} {
		for k := range inbox {
			switch inbox[k].Event.Kind {
			case history.ExecutionSuspended:
				suspended = true
			case history.ExecutionResumed:
				suspended = false
			}
		}
	}
	return suspended
}
