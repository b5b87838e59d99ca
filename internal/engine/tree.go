package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// This file knows trees. The children of an instance are those that it called,
// in whatever execution, and that are still there: a label of their rows names it. Those
// whose start is under way have no row yet: it is in an inbox of this process.
//
// A recursive termination goes down a tree by messages, each stored with the
// decision that sends it, so a crash loses none of it. An instance that it ends
// tells the children it waits for at once, and sends itself a message to look for
// the others, a page at a time. That message is about a number: it is good
// whatever has become of the instance meanwhile. A child that has ended is passed
// through, since children of its own may live.

// treePage is how many children one decision looks at.
const treePage = 1000

// endTree is the message that asks to end the children of row, which has ended.
func endTree(row *history.Instance, at time.Time, reason json.RawMessage) history.Event {
	return history.Event{
		Kind: history.ExecutionTerminated, At: at, Payload: reason, Recursive: true, Instance: row.ID,
		Started: &history.Started{Parent: &history.Parent{InstanceID: row.ID, Number: row.Number}},
	}
}

// endsTree reports whether ev is such a message.
func endsTree(ev *history.Event) bool {
	return ev.Kind == history.ExecutionTerminated && ev.Started != nil && ev.Started.Parent != nil
}

// findTree returns the place of a message that is to end the children of an
// instance that has ended, and what it asks for; -1 if there is none. Before
// start (-1: there is none) these are also the terminations that came too late
// for the instance itself.
func findTree(row *history.Instance, batch []message, start int) (at int, ev history.Event) {
	for i := range batch {
		switch ev := &batch[i].event; {
		case ev.Kind != history.ExecutionTerminated || !ev.Recursive:
		case endsTree(ev):
			return i, *ev
		case row.Number != 0 && row.Status.Terminal() && (start < 0 || i < start) && terminates(ev, row):
			return i, endTree(row, ev.At, ev.Payload)
		}
	}
	return -1, ev
}

// endTree decides about a page of the children of an instance that has ended.
func (t *tenure) endTree(inst *instance, ev history.Event) (*decision, error) {
	parent := ev.Started.Parent
	d := &decision{row: inst.row, oldStatus: inst.row.Status, rowKept: true, state: inst.state}
	tell := func(id history.InstanceID, call *history.Parent) {
		d.send(id, "", history.Event{
			Kind: history.ExecutionTerminated, At: ev.At, Payload: ev.Payload, Recursive: true,
			Instance: parent.InstanceID, TaskID: call.TaskID, Started: &history.Started{ExecutionID: call.ExecutionID},
		})
	}
	told := func(call *history.Parent) bool {
		_, found := slices.BinarySearch(ev.Tasks, call.TaskID)
		return found && call.ExecutionID == ev.Started.ExecutionID
	}
	if ev.Started.Before == 0 { // first: what is no longer under way then is in the store once all is settled
		for _, start := range t.starting(func(n history.Number) bool { return n == parent.Number }) {
			if !told(start.parent) {
				tell(start.id, start.parent)
			}
		}
	}
	if err := t.barrier(t.ctx); err != nil {
		return nil, err
	}
	q := history.Query{Labels: []string{history.ParentLabel(parent.Number)}, Parent: parent.InstanceID, Before: ev.Started.Before, Limit: treePage}
	page, err := t.store.ListInstances(t.ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		switch {
		case told(row.Parent):
		case !row.Status.Terminal():
			tell(row.ID, row.Parent)
		default:
			below, err := t.store.ListInstances(t.ctx, history.Query{Labels: []string{history.ParentLabel(row.Number)}, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(below.Rows) > 0 || below.Next != 0 {
				d.send(row.ID, "", endTree(row, ev.At, ev.Payload))
			}
		}
	}
	if page.Next != 0 {
		next := *ev.Started
		next.Before = page.Next
		ev.Started = &next
		d.send(parent.InstanceID, "", ev)
	}
	return d, nil
}

// underway is the start of a child that nobody has decided about.
type underway struct {
	id     history.InstanceID
	parent *history.Parent
}

// starting returns the starts under way by parents whose number is one of those
// that are asked for.
func (t *tenure) starting(by func(history.Number) bool) (found []underway) {
	for _, p := range t.partitions {
		p.mu.Lock()
		for id, inst := range p.instances {
			if inst.tally.starts == 0 {
				continue
			}
			for _, inbox := range [][]message{inst.taken, inst.inbox} {
				for i := range inbox {
					if ev := &inbox[i].event; ev.Kind == history.ExecutionStarted && ev.Started.Parent != nil && by(ev.Started.Parent.Number) {
						found = append(found, underway{id, ev.Started.Parent})
					}
				}
			}
		}
		p.mu.Unlock()
	}
	return found
}

// childrenOf yields the rows of the children of parent that are stored.
func (t *tenure) childrenOf(ctx context.Context, parent *history.Instance, yield func(*history.Instance) error) error {
	q := history.Query{Labels: []string{history.ParentLabel(parent.Number)}, Parent: parent.ID, Limit: treePage}
	for {
		page, err := t.store.ListInstances(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Rows {
			if err := yield(&page.Rows[i]); err != nil {
				return err
			}
		}
		if q.Before = page.Next; page.Next == 0 {
			return nil
		}
	}
}

// childOf reports whether the instance is a child of parent.
func (i *instance) childOf(parent *history.Instance) bool {
	return i.exists() && calledBy(i.row.Parent, parent)
}

// calledBy reports whether a parent is the instance row.
func calledBy(parent *history.Parent, row *history.Instance) bool {
	return parent != nil && parent.InstanceID == row.ID && parent.Number == row.Number
}
