package decide

import (
	"fmt"
	"maps"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file tells what a rewind does about the children that its calls wait
// for. It depends on what has become of them; plan, rewind and explanation ask
// here.

// ChildRows are the rows of the instances that have the ids of children, by
// call: Number is 0 where there is none.
type ChildRows map[int32]history.Instance

// afterEnding returns k as it is once the rewind of row has ended the children
// of the calls that it drops, which is before it starts any: their ids are free
// then.
func (k ChildRows) afterEnding(row *history.Instance, dropped []*history.Event) ChildRows {
	k = maps.Clone(k)
	for id, child := range k {
		for _, call := range dropped {
			if child.ID == call.Instance && !child.Status.Terminal() && SameCall(child.Parent, ParentOf(row, call.ID)) && child.Parent.ExecutionID == row.ExecutionID {
				child.Status = history.Terminated
				k[id] = child
			}
		}
	}
	return k
}

// fate is what a rewind does about a child.
type fate int8

const (
	follow fate = iota // rewind it, it is Failed
	keep               // let it go on, or tell how it ended
	again              // start it again
	lost               // nothing: its id belongs to another
)

// fates decides about the children of the calls that are open in st. A child
// that was terminated ended so, unless its termination is what is to be undone.
// Several calls may have named one id: it belongs to the child that lives or
// will, else to the first of them that is made again.
func (k ChildRows) fates(row *history.Instance, st *history.State, past *Past, undone map[int32]moment) map[int32]fate {
	fates := make(map[int32]fate)
	held := make(map[history.InstanceID]bool)
	for id, call := range st.Open {
		if call.Kind != history.SubOrchestrationInstanceCreated {
			continue
		}
		child := k[id]
		_, undo := undone[id]
		switch ours := past.called(&child, row, id); {
		case ours && child.Status == history.Failed:
			fates[id] = follow
			held[child.ID] = true
		case ours && (child.Status != history.Terminated || !undo):
			fates[id] = keep
		case ours, child.Number == 0, child.Status.Terminal(), history.IsChildID(call.Instance, row.ID, id):
			fates[id] = again
		default:
			fates[id] = lost
		}
	}
	for _, id := range slices.Sorted(maps.Keys(fates)) {
		if child := st.Open[id].Instance; fates[id] == again && !history.IsChildID(child, row.ID, id) {
			if held[child] {
				fates[id] = lost
			}
			held[child] = true
		}
	}
	return fates
}

// called reports whether the call task of row, in the execution whose history p
// is, started child. What came without numbers was imported, and knows no
// executions.
func (p *Past) called(child, row *history.Instance, task int32) bool {
	if child.Number == 0 || !SameCall(child.Parent, ParentOf(row, task)) {
		return false
	}
	return child.Parent.Number == 0 || slices.ContainsFunc(p.events, func(m moment) bool {
		return m.event.Started != nil && m.event.Started.ExecutionID == child.Parent.ExecutionID
	})
}

// callsAgain returns the calls that are made again, as events behind the marker
// of the rewind. A child without a name of its own gets another.
func callsAgain(row *history.Instance, st *history.State, fates map[int32]fate, marker *history.Event) (calls []history.Event) {
	for _, id := range slices.Sorted(maps.Keys(fates)) {
		if fates[id] != again {
			continue
		}
		call := *st.Open[id]
		call.At = marker.At
		if history.IsChildID(call.Instance, row.ID, id) {
			call.Instance = history.ChildID(row.ID, marker.Started.ExecutionID, id)
		}
		calls = append(calls, call)
	}
	return calls
}

// tellChildren adds the children to the plan. It returns an error if one of the
// calls that are to be made again cannot be.
func tellChildren(p *hub.RewindPlan, past *Past, fates map[int32]fate, undone map[int32]moment, k ChildRows) (err error) {
	for _, id := range slices.Sorted(maps.Keys(fates)) {
		child := past.calls[id].event.Instance
		switch fates[id] {
		case follow:
			p.Rewound = append(p.Rewound, child)
		case keep:
			p.Kept = append(p.Kept, child)
		case again:
			p.Again = append(p.Again, child)
		case lost:
			p.Lost = append(p.Lost, child)
			if _, undo := undone[id]; undo && err == nil {
				err = hub.InState(history.Failed, "%w: the call of %q that failed cannot be made again: that id belongs to %s", hub.ErrInvalidState, child, holder(p.Instance, k[id]))
			}
		}
	}
	return err
}

// holder tells who has the id of a call that cannot be made again, and what can
// be done.
func holder(parent history.InstanceID, child history.Instance) string {
	if child.Status.Terminal() || child.Number == 0 {
		return fmt.Sprintf("the child of another call of %q, which goes on too; restart %[1]q", parent)
	}
	return fmt.Sprintf("another instance now, which is %s; terminate it first, or restart %q", child.Status, parent)
}
