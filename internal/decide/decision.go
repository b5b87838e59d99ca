package decide

import (
	"encoding/json"
	"maps"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// A decision is made as a whole and stored as a whole. It says what changes and
// never how that is stored.

// Decision is what is to change about one instance, as one unit.
type Decision struct {
	Row       history.Instance            // the status row afterwards
	OldStatus history.RuntimeStatus       // of the row before; history.Unknown when there was none
	RowKept   bool                        // Row needs no rewriting
	Erase     *history.Instance           // the instance that Row.ID named before
	Record    history.Turn                // to append; its Seq is 0 when there is none
	Drop      struct{ First, End uint32 } // records to erase, as in Delta.DropRecords
	State     *history.State              // the fold afterwards

	Sent        []history.Message // to other instances, in order
	SetTimers   []store.Timer
	ClearTimers []store.Timer
	Schedule    []*history.Event // activities to run once this is durable
	Abandon     bool             // no result of a running activity is wanted any more
	Ended       bool             // the execution is over and no other follows
}

// Records reports whether there is a record to append.
func (d *Decision) Records() bool { return d.Record.Seq != 0 }

// IsTurn reports whether the decision is a turn of its instance.
func (d *Decision) IsTurn() bool {
	return d.Records() && (!d.Record.Start() || d.Drop.End > 0)
}

// Work is the flag that the decision leaves: set while there is something that
// neither a message nor a timer will bring back (see Delta.Work).
func (d *Decision) Work() bool {
	return !d.Ended && d.State != nil && (d.State.Tasks > 0 || len(d.State.Waiting) > 0 && d.Row.ScheduledAt.IsZero())
}

// PayloadBytes returns how many bytes of payloads the decision stores, about.
func (d *Decision) PayloadBytes() (bytes int) {
	for i := range d.Record.Events {
		bytes += len(d.Record.Events[i].Payload)
	}
	for i := range d.Sent {
		bytes += len(d.Sent[i].Event.Payload)
	}
	return bytes
}

// send adds a message for an instance. execution is the one it is for, empty
// for whichever is there. What is sent leaves when the decision is durable,
// behind what was sent before.
func (d *Decision) send(to history.InstanceID, execution history.ExecutionID, ev history.Event) {
	ev.ID = history.NoID
	d.Sent = append(d.Sent, history.Message{To: to, ExecutionID: execution, Event: ev})
}

// startChild sends the start that a SubOrchestrationInstanceCreated event
// records.
func (d *Decision) startChild(created *history.Event) {
	started := new(history.Started)
	if created.Started != nil {
		started.Tags = created.Started.Tags
	}
	if len(d.Row.Tags) > 0 {
		tags := maps.Clone(d.Row.Tags)
		maps.Copy(tags, started.Tags)
		started.Tags = tags
	}
	if !created.FireAndForget {
		started.Parent = ParentOf(&d.Row, created.ID)
	}
	d.send(created.Instance, "", history.Event{
		Kind: history.ExecutionStarted, Name: created.Name, Version: created.Version, Payload: created.Payload, At: created.At, Started: started,
	})
}

// abandonOpen gives up what the execution has scheduled: timers are cleared,
// activities that have not started will not.
func (d *Decision) abandonOpen() {
	for _, ev := range InOrder(d.State.Open) {
		if ev.Kind == history.TimerCreated {
			d.ClearTimers = append(d.ClearTimers, TimerOf(&d.Row, ev))
		}
	}
	d.SetTimers = nil
	d.Abandon = true
}

// end closes the instance: nothing that is open will be waited for, and a
// waiting parent is told.
func (d *Decision) end(status history.RuntimeStatus, payload json.RawMessage, failure *history.Failure) {
	d.Row.Status, d.Row.Reason = status, nil
	d.Row.CompletedAt = d.State.At
	d.abandonOpen()
	d.Ended = true
	if d.Row.Parent == nil {
		return
	}
	d.send(d.Row.Parent.InstanceID, d.Row.Parent.ExecutionID, childEnded(d.Row.Parent.TaskID, d.State.At, status, payload, failure))
}

// updateRow sets UpdatedAt and Events if anything else of the row changed, and
// notes when nothing did.
func (d *Decision) updateRow(old *history.Instance) {
	d.RowKept = d.Row.Status == old.Status && d.Row.ExecutionID == old.ExecutionID &&
		string(d.Row.CustomStatus) == string(old.CustomStatus) && string(d.Row.Reason) == string(old.Reason)
	if !d.RowKept {
		d.Row.UpdatedAt, d.Row.Events = d.State.At, d.State.Events
	}
}
