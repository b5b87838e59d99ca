package decide

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// This file knows trees. A recursive termination goes down a tree by messages,
// each stored with the decision that sends it, so a crash loses none of it. An
// instance that it ends tells the children it waits for at once, and sends
// itself a message to look for the others, a page at a time. That message is
// about a number: it is good whatever has become of the instance meanwhile. A
// child that has ended is passed through, since children of its own may live.

// endTree is the message that asks to end the children of row, which has ended.
func endTree(row *history.Instance, at time.Time, reason json.RawMessage) history.Event {
	return history.Event{
		Kind: history.ExecutionTerminated, At: at, Payload: reason, Recursive: true, Instance: row.ID,
		Started: &history.Started{Parent: &history.Parent{InstanceID: row.ID, Number: row.Number}},
	}
}

// EndsTree reports whether ev is such a message.
func EndsTree(ev *history.Event) bool {
	return ev.Kind == history.ExecutionTerminated && ev.Started != nil && ev.Started.Parent != nil
}

// endChildren hands a termination on to the children that are waited for. It
// follows their starts on the same way, so none slips through. The others, if
// there may be any, are looked up later.
func (d *Decision) endChildren(reason json.RawMessage) {
	var told []int32
	for _, task := range slices.Sorted(maps.Keys(d.State.Open)) {
		child := d.State.Open[task]
		if child.Kind != history.SubOrchestrationInstanceCreated {
			continue
		}
		d.send(child.Instance, "", history.Event{
			Kind: history.ExecutionTerminated, At: d.State.At, Payload: reason, Recursive: true,
			Instance: d.Row.ID, TaskID: task,
		})
		told = append(told, task)
	}
	if d.State.Children || d.State.First > 1 {
		ev := endTree(&d.Row, d.State.At, reason)
		ev.Tasks, ev.Started.ExecutionID = told, d.Row.ExecutionID
		d.send(d.Row.ID, "", ev)
	}
}

// Tree asks for a page of the children of an instance that has ended.
type Tree struct {
	Parent *history.Parent // the instance: its id and its number
	Before history.Number  // the page is of those before it; 0: it is the first page
	event  history.Event
}

// newTree reads the message that asks to end the children of row.
func newTree(row *history.Instance, ev *history.Event) Tree {
	asked := *ev
	if !EndsTree(ev) {
		asked = endTree(row, ev.At, ev.Payload)
	}
	return Tree{Parent: asked.Started.Parent, Before: asked.Started.Before, event: asked}
}

// Told reports whether the child of that call has been told to end, with the
// end of the instance.
func (t *Tree) Told(call *history.Parent) bool {
	_, found := slices.BinarySearch(t.event.Tasks, call.TaskID)
	return found && call.ExecutionID == t.event.Started.ExecutionID
}

// TreePage is a page of the children of an instance.
type TreePage struct {
	Starting []Starting              // with the first page: the children that have no row yet
	Rows     []history.Instance      // the others
	Parents  map[history.Number]bool // of Rows those that have ended, were not told, and have children of their own
	Next     history.Number          // where the next page begins; 0: there is none
}

// Starting is the start of a child that nobody has decided about.
type Starting struct {
	ID     history.InstanceID
	Parent *history.Parent
}

// decide ends a page of children. row and st are of the instance that has the
// parent's id now.
func (t *Tree) decide(row *history.Instance, st *history.State, page *TreePage) Decision {
	d := Decision{Row: *row, OldStatus: row.Status, RowKept: true, State: st}
	end := func(id history.InstanceID, call *history.Parent) {
		d.send(id, "", history.Event{
			Kind: history.ExecutionTerminated, At: t.event.At, Payload: t.event.Payload, Recursive: true,
			Instance: t.Parent.InstanceID, TaskID: call.TaskID, Started: &history.Started{ExecutionID: call.ExecutionID},
		})
	}
	for _, start := range page.Starting {
		if !t.Told(start.Parent) {
			end(start.ID, start.Parent)
		}
	}
	for i := range page.Rows {
		switch child := &page.Rows[i]; {
		case t.Told(child.Parent):
		case !child.Status.Terminal():
			end(child.ID, child.Parent)
		case page.Parents[child.Number]:
			d.send(child.ID, "", endTree(child, t.event.At, t.event.Payload))
		}
	}
	if page.Next != 0 {
		next, started := t.event, *t.event.Started
		started.Before = page.Next
		next.Started = &started
		d.send(t.Parent.InstanceID, "", next)
	}
	return d
}
