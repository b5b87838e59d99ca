package engine

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file reads the history of one instance, record by record, and says what
// its status row must be.

// account is what the records of an instance, one after the other, say of its
// row.
type account struct {
	row    *history.Instance
	check  decide.RecordCheck
	state  history.State
	born   *history.Parent // that the execution began with
	vague  bool            // some record does not tell which timers were canceled
	dated  bool            // the history was once as old as the row says
	fewest int32           // events that it had then
	most   int32
}

// read adds the next record, or tells why no engine can have written it.
func (a *account) read(rec *store.Record) error {
	turn, err := history.DecodeTurn(rec.Seq, rec.Bytes)
	if err != nil {
		return fmt.Errorf("record %d: %w", rec.Seq, err)
	}
	if err := a.check.Turn(&turn); err != nil {
		return err
	}
	if a.check.Turns == 1 {
		a.born = turn.Events[0].Started.Parent
	}
	a.state.Apply(&turn)
	a.vague = a.vague || !history.TellsCanceled(rec.Bytes)
	if !a.state.At.Equal(a.row.UpdatedAt) {
		return nil
	}
	if a.most = a.state.Events; !a.dated {
		a.dated, a.fewest = true, a.state.Events-raisedLast(&turn)
	}
	return nil
}

// raisedLast counts the events before the end of an execution: they may have
// come when it had Failed, and are kept for a rewind.
func raisedLast(turn *history.Turn) (n int32) {
	last := len(turn.Events) - 1
	if last < 0 || turn.Events[last].Kind != history.ExecutionCompleted || turn.Events[last].Status != history.Failed {
		return 0
	}
	for i := last - 1; i >= 0 && turn.Events[i].Kind == history.EventRaised; i-- {
		n++
	}
	return n
}

// misfits yields where the row contradicts the history, all of which has been
// read.
func (a *account) misfits() iter.Seq[string] {
	return func(yield func(string) bool) {
		row, began := a.row, a.state.Started.Started
		for misfit := range decide.Misfits(row, &a.state) {
			if !yield(misfit) {
				return
			}
		}
		for _, problem := range []struct {
			is   bool
			says string
		}{
			{began.ExecutionID != "" && row.ExecutionID != began.ExecutionID, fmt.Sprintf("its execution is %s, but the history is that of %s", row.ExecutionID, began.ExecutionID)},
			{row.Version != a.state.Started.Version, fmt.Sprintf("its version is %q, but ExecutionStarted names %q", row.Version, a.state.Started.Version)},
			{row.Generation != began.Generation, fmt.Sprintf("it is generation %d, but ExecutionStarted says %d", row.Generation, began.Generation)},
			{!maps.Equal(row.Tags, began.Tags), fmt.Sprintf("its tags are %v, but ExecutionStarted has %v", row.Tags, began.Tags)},
			{!row.ScheduledAt.IsZero() && !row.ScheduledAt.Equal(began.ScheduledAt), fmt.Sprintf("it is to start at %s, but ExecutionStarted says %s", timeText(row.ScheduledAt), timeText(began.ScheduledAt))},
			{a.state.Completed != nil && !row.CompletedAt.Equal(a.state.Completed.At), fmt.Sprintf("it was completed at %s, but its history says %s", timeText(row.CompletedAt), timeText(endedAt(&a.state)))},
			{!a.dated, fmt.Sprintf("it was written at %s, but no turn of its history was then", timeText(row.UpdatedAt))},
			{a.dated && (row.Events < a.fewest || row.Events > a.most), fmt.Sprintf("it counts %d events, but its history had %d when it was written", row.Events, a.most)},
		} {
			if problem.is && !yield(problem.says) {
				return
			}
		}
	}
}

// timeText is a time as a report shows it, with all that is stored of it.
func timeText(t time.Time) string { return t.Format(time.RFC3339Nano) }

// endedAt is when the history says that the execution ended; the zero time
// while it goes on.
func endedAt(st *history.State) time.Time {
	if st.Completed == nil {
		return time.Time{}
	}
	return st.Completed.At
}

// strayed yields what is wrong with the place of the instance in its tree.
func (a *account) strayed(partitions int) iter.Seq[string] {
	return func(yield func(string) bool) {
		row, parent := a.row, a.row.Parent
		began := a.state.Started.Started.Parent
		if (parent == nil) != (began == nil) || parent != nil && !decide.SameCall(parent, began) {
			if !yield(fmt.Sprintf("its parent is %s, but ExecutionStarted has %s", callText(parent), callText(began))) {
				return
			}
		}
		if parent != nil && parent.Number != 0 && parent.Number.Partition() != history.PartitionOf(parent.InstanceID, partitions) {
			if !yield(fmt.Sprintf("the number of its parent, %d, is not one that %q can have", parent.Number, parent.InstanceID)) {
				return
			}
		}
		// One that did not know the number of its parent when it was born has
		// no label, though a rewind may have told it.
		untold := len(row.Labels) == 0 && (a.born == nil || a.born.Number == 0)
		if want := decide.LabelsOf(parent); !untold && !slices.Equal(row.Labels, want) {
			yield(fmt.Sprintf("its labels are %q, but its parent asks for %q", row.Labels, want))
		}
	}
}

// callText names the call that a parent tells of.
func callText(parent *history.Parent) string {
	if parent == nil {
		return "none"
	}
	return fmt.Sprintf("call %d of %s", parent.TaskID, parent.InstanceID)
}
