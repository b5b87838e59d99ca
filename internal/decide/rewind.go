package decide

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// A rewind cuts the history before the failure, keeps what happened without the
// doing of the code, and arms again what is open (docs/adr/0007-rewind.md).

// FailedInstance is a Failed instance with all that a rewind of it depends on.
type FailedInstance struct {
	Row      history.Instance
	Records  []history.Turn // all of its history
	Children ChildRows      // of its calls
}

// Rewind decides how the instance goes on as execution, for parent if that is
// not nil, and tells what that undoes. An error says why it would be of no use;
// the decision is good all the same.
func (f *FailedInstance) Rewind(req hub.RewindRequest, parent *history.Parent, now time.Time, execution history.ExecutionID) (Decision, hub.RewindPlan, error) {
	row, records := f.Row, f.Records
	past := Survey(records)
	undone := past.undo(req.All)
	turn := past.cut(undone)
	rest := past.divide(turn, undone)
	last := &records[len(records)-1]
	marker := history.Event{
		Kind: history.ExecutionRewound, ID: history.NoID, At: turnTime(last.At, now), Payload: ReasonPayload(req.Reason),
		Tasks: slices.Sorted(maps.Keys(undone)), Recursive: req.All,
		Started: &history.Started{ExecutionID: execution, Parent: parent},
	}
	first := past.turns[turn] // record from which on all is replaced
	record := history.Turn{Seq: records[first].Seq, Events: slices.Concat(rest.head, []history.Event{marker}, rest.facts)}
	d := Decision{Row: row, OldStatus: row.Status}
	d.Drop.First, d.Drop.End = record.Seq, last.Seq+1

	fold := func() {
		d.State = new(history.State)
		for i := range records[:first] {
			d.State.Apply(&records[i])
		}
		d.State.Apply(&record)
	}
	fold()
	children := f.Children.afterEnding(&row, rest.children)
	fates := children.fates(&row, d.State, past, undone)
	calls := callsAgain(&row, d.State, fates, &marker)
	if len(calls) > 0 {
		record.Events = slices.Concat(rest.head, []history.Event{marker}, calls, rest.facts)
		fold()
	}
	d.Row.Status, d.Row.ExecutionID = history.Pending, execution
	d.Row.CompletedAt, d.Row.ScheduledAt = time.Time{}, time.Time{}
	d.Row.UpdatedAt, d.Row.Events = marker.At, d.State.Events
	if parent != nil {
		d.Row.Parent = parent
	}
	plan := hub.RewindPlan{Instance: row.ID, Undone: past.describe(undone), Turn: turn + 1, Dropped: rest.dropped, Delivered: len(rest.facts)}
	for _, created := range rest.children {
		d.send(created.Instance, "", history.Event{
			Kind: history.ExecutionTerminated, At: marker.At, Payload: json.RawMessage(`"its parent was rewound to before its start"`), Recursive: true,
			Instance: row.ID, TaskID: created.ID, Started: &history.Started{ExecutionID: row.ExecutionID},
		})
		plan.Terminated = append(plan.Terminated, created.Instance)
	}
	d.Record = record
	d.rearm(&marker, fates)
	plan.Activities, plan.Timers = len(d.Schedule), len(d.SetTimers)
	return d, plan, tellChildren(&plan, past, fates, undone, children)
}

// rearm lets everything that is open happen again.
func (d *Decision) rearm(marker *history.Event, fates map[int32]fate) {
	open := slices.Sorted(maps.Keys(d.State.Open))
	for _, id := range open {
		switch ev := d.State.Open[id]; ev.Kind {
		case history.TaskScheduled:
			d.Schedule = append(d.Schedule, ev)
		case history.TimerCreated:
			d.SetTimers = append(d.SetTimers, TimerOf(&d.Row, ev))
		case history.SubOrchestrationInstanceCreated:
			switch fates[id] {
			case follow, keep:
				d.send(ev.Instance, "", history.Event{
					Kind: history.ExecutionRewound, At: marker.At, Payload: marker.Payload, Recursive: marker.Recursive,
					Started: &history.Started{Parent: ParentOf(&d.Row, id)},
				})
			case lost:
				d.send(d.Row.ID, d.Row.ExecutionID, missing(ev.Instance, id, marker.At))
			}
		}
	}
	for _, id := range open { // after the children that tell their end have been asked: one may have that id
		if fates[id] == again {
			d.startChild(d.State.Open[id])
		}
	}
}
