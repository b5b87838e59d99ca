package decide

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// An archive is an instance outside of a hub. What comes in is looked at as if
// nobody had ever looked at it: it may have been written by hand.

// maxArchiveBytes bounds the encoded history of an instance that is imported:
// it is stored by one commit.
const maxArchiveBytes = 1 << 30

// Arrival is an archive that has been checked, on its way into the hub.
type Arrival struct {
	Row     history.Instance
	Earlier []store.Record // before last
	last    *history.Turn
	state   *history.State
}

// CheckImport turns a request into what to store, or says which part of it no
// engine can have written.
func CheckImport(req *hub.ImportRequest, execution history.ExecutionID) (*Arrival, error) {
	a := &Arrival{Row: req.Archive.Instance}
	if req.ID != "" {
		a.Row.ID = req.ID
	}
	if err := cmp.Or(a.Row.ID.Validate(), CheckRow(&a.Row)); err != nil {
		return nil, fmt.Errorf("%w: archive: instance: %w", hub.ErrInvalidArgument, err)
	}
	turns := slices.Clone(req.Archive.Turns)
	if len(turns) == 0 {
		return nil, fmt.Errorf("%w: archive: it has no turns; the first holds ExecutionStarted", hub.ErrInvalidArgument)
	}
	if err := checkTurns(turns); err != nil {
		return nil, fmt.Errorf("%w: archive: %w", hub.ErrInvalidArgument, err)
	}
	a.Row.Labels = nil // it is in no tree of this hub
	if a.Row.Parent != nil {
		parent := *a.Row.Parent
		parent.Number = 0
		a.Row.Parent = &parent
	}
	live := !a.Row.Status.Terminal()
	if live {
		a.Row.ExecutionID, a.Row.Parent = execution, nil
		for i := range turns {
			turns[i] = withoutParent(turns[i], a.Row.ExecutionID)
		}
	} else if a.Row.ExecutionID == "" {
		a.Row.ExecutionID = execution
	}
	a.state = &history.State{}
	for i := range turns {
		a.state.Apply(&turns[i])
	}
	if err := checkFit(&a.Row, a.state); err != nil {
		return nil, fmt.Errorf("%w: archive: %w", hub.ErrInvalidArgument, err)
	}
	size := 0
	for i := range turns[:len(turns)-1] {
		rec := store.Record{Seq: turns[i].Seq, Bytes: history.AppendTurn(nil, &turns[i])}
		if size += len(rec.Bytes); size > maxArchiveBytes {
			return nil, fmt.Errorf("%w: archive: its history has more than %d bytes", hub.ErrInvalidArgument, maxArchiveBytes)
		}
		a.Earlier = append(a.Earlier, rec)
	}
	a.last = &turns[len(turns)-1]
	return a, nil
}

// withoutParent makes a turn part of the given execution, which has no parent.
func withoutParent(turn history.Turn, execution history.ExecutionID) history.Turn {
	for i := range turn.Events {
		if ev := &turn.Events[i]; ev.Kind.Class() == history.Beginning && ev.Started != nil {
			started := *ev.Started
			started.ExecutionID, started.Parent = execution, nil
			turn.Events = slices.Clone(turn.Events)
			turn.Events[i].Started = &started
		}
	}
	return turn
}

// Bytes returns how many bytes the archive stores, about.
func (a *Arrival) Bytes() (bytes int) {
	for i := range a.Earlier {
		bytes += len(a.Earlier[i].Bytes)
	}
	for i := range a.last.Events {
		bytes += a.last.Events[i].Bytes()
	}
	return bytes
}

// Decide makes the arrival an instance of the hub. prev is the row that its id
// has now, its Number 0 when there is none; it is erased.
func (a *Arrival) Decide(number history.Number, prev history.Instance) Decision {
	d := Decision{Row: a.Row, OldStatus: history.Unknown, Record: *a.last, State: a.state}
	d.Row.Number = number
	if prev.Number != 0 {
		d.Erase = &prev
	}
	if d.Row.Status.Terminal() {
		d.Ended = true
		return d
	}
	if a.state.Turns == 0 && !d.Row.ScheduledAt.IsZero() {
		d.SetTimers = []store.Timer{WakeTimer(&d.Row)}
	}
	for _, open := range InOrder(a.state.Open) {
		switch open.Kind {
		case history.TaskScheduled:
			d.Schedule = append(d.Schedule, open)
		case history.TimerCreated:
			d.SetTimers = append(d.SetTimers, TimerOf(&d.Row, open))
		case history.SubOrchestrationInstanceCreated:
			d.send(d.Row.ID, d.Row.ExecutionID, history.Event{
				Kind: history.SubOrchestrationInstanceFailed, At: number.CreatedAt(), TaskID: open.ID,
				Failure: &history.Failure{
					Type:         history.FailureMissing,
					Message:      fmt.Sprintf("child %q was not imported with the instance that waits for it", open.Instance),
					NonRetriable: true,
				},
			})
		}
	}
	return d
}

// TakeIn puts what a turn would accept of an inbox into the start record at the
// end of an archive, which there may be already.
func TakeIn(a *hub.Archive, inbox []Message) {
	st := &history.State{}
	for i := range a.Turns {
		st.Apply(&a.Turns[i])
	}
	var events []history.Event
	for len(inbox) > 0 {
		in := take(&a.Instance, st, inbox, st.At)
		st.Apply(&in.turn) // for the idempotency keys
		events = append(events, in.turn.Events...)
		inbox = inbox[in.accepted:]
	}
	last := &a.Turns[len(a.Turns)-1]
	switch {
	case len(events) == 0:
	case last.Start():
		last.Events = append(last.Events, events...)
	default:
		a.Turns = append(a.Turns, history.Turn{Seq: last.Seq + 1, Events: events})
	}
}
