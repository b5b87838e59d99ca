package decide

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// This file knows what no engine can have stored. It is asked about archives,
// and about every instance when a store is checked.

// CheckRow says what no row can hold.
func CheckRow(row *history.Instance) error {
	if err := history.CheckName(row.Name); err != nil {
		return fmt.Errorf("its orchestrator's name: %w", err)
	}
	if err := history.CheckTags(row.Tags); err != nil {
		return fmt.Errorf("its tags: %w", err)
	}
	ended := row.Status.Terminal()
	switch row.Status {
	case history.Pending, history.Running, history.Suspended:
	default:
		if !ended {
			return fmt.Errorf("status %s is none that an instance can have", row.Status)
		}
	}
	switch {
	case row.CreatedAt.IsZero():
		return fmt.Errorf("it has no createdAt")
	case ended && row.CompletedAt.IsZero():
		return fmt.Errorf("it is %s and has no completedAt", row.Status)
	case !ended && !row.CompletedAt.IsZero():
		return fmt.Errorf("it is %s and has a completedAt", row.Status)
	case row.Generation < 0:
		return fmt.Errorf("generation %d is negative", row.Generation)
	}
	for name, at := range map[string]time.Time{
		"createdAt": row.CreatedAt, "updatedAt": row.UpdatedAt, "completedAt": row.CompletedAt, "scheduledAt": row.ScheduledAt,
	} {
		if err := history.CheckTime(at); err != nil {
			return fmt.Errorf("its %s cannot be stored: %w", name, err)
		}
	}
	if err := history.CheckPayload(row.CustomStatus); err != nil {
		return fmt.Errorf("its custom status cannot be stored: %w", err)
	}
	if err := history.CheckPayload(row.Reason); err != nil {
		return fmt.Errorf("its reason cannot be stored: %w", err)
	}
	return nil
}

// checkFit compares the row with what the history leads to.
func checkFit(row *history.Instance, st *history.State) error {
	for misfit := range Misfits(row, st) {
		return fmt.Errorf("instance: %s", misfit)
	}
	return nil
}

// Misfits yields where a row contradicts what the history leads to.
func Misfits(row *history.Instance, st *history.State) iter.Seq[string] {
	return func(yield func(string) bool) {
		ended := row.Status.Terminal()
		switch {
		case !strings.EqualFold(row.Name, st.Started.Name):
			yield(fmt.Sprintf("its orchestrator is %.64q, but ExecutionStarted names %.64q", row.Name, st.Started.Name))
		case ended && st.Completed == nil:
			yield(fmt.Sprintf("it is %s, but its history does not end with ExecutionCompleted", row.Status))
		case ended && st.Completed.Status != row.Status:
			yield(fmt.Sprintf("it is %s, but its history ends as %s", row.Status, st.Completed.Status))
		case !ended && st.Completed != nil:
			yield(fmt.Sprintf("it is %s, but its history ends with ExecutionCompleted", row.Status))
		case !ended && row.Status != history.Pending && st.Suspended != (row.Status == history.Suspended):
			yield(fmt.Sprintf("it is %s, which its history contradicts", row.Status))
		case row.Status == history.Pending && len(st.Waiting) == 0:
			yield("it is Pending, but its history says that it ran")
		}
	}
}

// checkTurns says which event of a history no engine can have recorded.
func checkTurns(turns []history.Turn) error {
	c := NewRecordCheck()
	for i := range turns {
		if err := c.Turn(&turns[i]); err != nil {
			return err
		}
	}
	return nil
}

// RecordCheck is what the events so far allow those that follow to be.
type RecordCheck struct {
	Turns  int                      // so far
	seq    uint32                   // of the newest
	at     time.Time                // of the newest turn
	open   map[int32]*history.Event // that nothing has answered
	lastID int32                    // highest sequence id
	again  bool                     // in a record that a rewind wrote: calls of children may be made again
	ended  bool
}

// NewRecordCheck begins with an empty history.
func NewRecordCheck() RecordCheck {
	return RecordCheck{open: make(map[int32]*history.Event), lastID: history.NoID}
}

// Turn looks at the turn that follows.
func (c *RecordCheck) Turn(turn *history.Turn) error {
	c.Turns++
	first := c.Turns == 1
	if !first && turn.Seq != c.seq+1 {
		return fmt.Errorf("turn %d: its seq is %d after %d; a turn is missing, or they are out of order", c.Turns, turn.Seq, c.seq)
	}
	if c.seq = turn.Seq; c.seq == 0 {
		return fmt.Errorf("turn %d: its seq is 0; they begin with 1", c.Turns)
	}
	if err := c.time(turn); err != nil {
		return fmt.Errorf("turn %d: %w", c.Turns, err)
	}
	switch empty := len(turn.Events) == 0; {
	case empty && first:
		return fmt.Errorf("turn 1: it has no events; the first is ExecutionStarted")
	case empty && c.ended:
		return fmt.Errorf("turn %d: it comes after ExecutionCompleted", c.Turns)
	}
	c.again = false
	for k := range turn.Events {
		ev := &turn.Events[k]
		if err := c.event(ev, first && k == 0); err != nil {
			return fmt.Errorf("turn %d, event %d (%s): %w", c.Turns, k+1, ev.Kind, err)
		}
	}
	for _, id := range turn.Canceled {
		if open := c.open[id]; open != nil && open.Kind != history.TimerCreated {
			return fmt.Errorf("turn %d: it cancels %d, which is no timer but %s", c.Turns, id, open.Kind)
		}
		delete(c.open, id)
	}
	return nil
}

// time looks at the time of a turn, which grows from turn to turn. Start
// records have none.
func (c *RecordCheck) time(turn *history.Turn) error {
	switch {
	case turn.Start():
		return nil
	case history.CheckTime(turn.At) != nil:
		return fmt.Errorf("its time cannot be stored: %w", history.CheckTime(turn.At))
	case !turn.At.After(c.at):
		return fmt.Errorf("its time %s is not after that of the turn before, %s", turn.At.Format(time.RFC3339Nano), c.at.Format(time.RFC3339Nano))
	}
	c.at = turn.At
	return nil
}

// event looks at one event. What it allows is what the engine records, by
// class.
func (c *RecordCheck) event(ev *history.Event, first bool) error {
	switch {
	case first != (ev.Kind == history.ExecutionStarted):
		return fmt.Errorf("ExecutionStarted is the first event, and only that")
	case c.ended && ev.Kind != history.ExecutionRewound:
		return fmt.Errorf("it comes after ExecutionCompleted")
	}
	if err := history.CheckTime(ev.At); err != nil {
		return fmt.Errorf("its time cannot be stored: %w", err)
	}
	if err := history.CheckPayload(ev.Payload); err != nil {
		return fmt.Errorf("its payload cannot be stored: %w", err)
	}
	switch ev.Kind.Class() {
	case history.Beginning:
		if ev.Kind == history.ExecutionStarted {
			return c.started(ev)
		}
		c.ended, c.again = false, true
	case history.Scheduling:
		return c.scheduled(ev)
	case history.Answer:
		return c.answered(ev)
	case history.Raised:
		if ev.Name == "" {
			return fmt.Errorf("it has no name")
		}
		if err := history.CheckKey(ev.Key); err != nil {
			return fmt.Errorf("its idempotency key cannot be stored: %w", err)
		}
	case history.Ending:
		c.ended = true
		if !ev.Status.Terminal() {
			return fmt.Errorf("its status is %s, which is no end", ev.Status)
		}
	case history.Control:
	default:
		return fmt.Errorf("events of this kind are in no stored history")
	}
	return nil
}

// started looks at what an execution began with.
func (c *RecordCheck) started(ev *history.Event) error {
	switch {
	case ev.Started == nil:
		return fmt.Errorf("it has no started")
	case strings.TrimSpace(ev.Name) == "":
		return fmt.Errorf("it has no name")
	}
	if err := history.CheckTime(ev.Started.ScheduledAt); err != nil {
		return fmt.Errorf("its scheduledAt cannot be stored: %w", err)
	}
	bytes := 0
	for _, key := range ev.Started.Keys {
		if err := history.CheckKey(key); err != nil {
			return fmt.Errorf("one of its idempotency keys cannot be stored: %w", err)
		}
		bytes += len(key)
	}
	if bytes > history.MaxKeysBytes {
		return fmt.Errorf("its idempotency keys have %d bytes, at most %d are allowed", bytes, history.MaxKeysBytes)
	}
	for _, at := range ev.Started.KeyTimes {
		if err := history.CheckTime(at); err != nil {
			return fmt.Errorf("the time of one of its idempotency keys cannot be stored: %w", err)
		}
	}
	return nil
}

// scheduled looks at an action: ids ascend, but for children that a rewind
// calls again under the same one.
func (c *RecordCheck) scheduled(ev *history.Event) error {
	timer := ev.Kind == history.TimerCreated
	child := ev.Kind == history.SubOrchestrationInstanceCreated
	switch {
	case c.again && child && c.open[ev.ID] != nil && c.open[ev.ID].Kind == ev.Kind:
	case ev.ID <= c.lastID:
		return fmt.Errorf("its eventId is %d; it must be above %d, the one before", ev.ID, c.lastID)
	case !timer && ev.Name == "":
		return fmt.Errorf("it has no name")
	case (child || ev.Kind == history.EventSent) && ev.Instance == "":
		return fmt.Errorf("it has no instance")
	case timer && history.CheckTime(ev.FireAt) != nil: // the zero time is one, long past
		return fmt.Errorf("its fireAt cannot be stored: %w", history.CheckTime(ev.FireAt))
	}
	c.lastID = max(c.lastID, ev.ID)
	if ev.Kind != history.EventSent && !ev.FireAndForget {
		c.open[ev.ID] = ev
	}
	return nil
}

// answered looks at an answer: something must wait for it.
func (c *RecordCheck) answered(ev *history.Event) error {
	if open, ok := c.open[ev.TaskID]; !ok || !answers(ev, open) {
		return fmt.Errorf("its taskId is %d, but nothing of that id waits for it", ev.TaskID)
	}
	delete(c.open, ev.TaskID)
	return nil
}
