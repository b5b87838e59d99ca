package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/perdure/perdure/history"
)

// This file tells what a rewind does about the children that its calls wait for. It
// depends on what has become of them; plan, rewind and explanation ask here.

// childRows are the rows of the instances that have the ids of children, by call: Number
// is 0 where there is none.
type childRows map[int32]history.Instance

// childRowsOf reads what has become of the children that the execution may have to wait for.
func childRowsOf(ctx context.Context, store Reader, records []history.Turn) (childRows, error) {
	past, k := survey(records), make(childRows)
	completed := make(map[int32]bool)
	for _, m := range past.events {
		if m.event.Kind == history.SubOrchestrationInstanceCompleted {
			completed[m.event.TaskID] = true
		}
	}
	for id, call := range past.calls {
		ev := call.event
		if ev.Kind != history.SubOrchestrationInstanceCreated || ev.FireAndForget || completed[id] {
			continue
		}
		row, _, err := store.FindInstance(ctx, ev.Instance)
		if err != nil {
			return nil, fmt.Errorf("find instance %s: %w", ev.Instance, err)
		}
		k[id] = row
	}
	return k, nil
}

// afterEnding returns k as it is once the rewind of row has ended the children of the
// calls that it drops, which is before it starts any: their ids are free then.
func (k childRows) afterEnding(row *history.Instance, dropped []*history.Event) childRows {
	k = maps.Clone(k)
	for id, child := range k {
		for _, call := range dropped {
			if child.ID == call.Instance && !child.Status.Terminal() && sameCall(child.Parent, parentOf(row, call.ID)) && child.Parent.ExecutionID == row.ExecutionID {
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
	lost               // nothing: somebody else has its id
)

// fates decides about the children of the calls that are open in st. A child that was
// terminated ended so, unless its termination is what is to be undone.
func (k childRows) fates(row *history.Instance, st *history.State, undone map[int32]moment) map[int32]fate {
	fates := make(map[int32]fate)
	for id, call := range st.Open {
		if call.Kind != history.SubOrchestrationInstanceCreated {
			continue
		}
		child := k[id]
		_, undo := undone[id]
		switch ours := child.Number != 0 && sameCall(child.Parent, parentOf(row, id)); {
		case ours && child.Status == history.Failed:
			fates[id] = follow
		case ours && (child.Status != history.Terminated || !undo):
			fates[id] = keep
		case ours, child.Number == 0, child.Status.Terminal(), history.IsChildID(call.Instance, row.ID, id):
			fates[id] = again
		default:
			fates[id] = lost
		}
	}
	return fates
}

// sameCall reports whether child was started by the call that parent tells of.
func sameCall(child, parent *history.Parent) bool {
	return child != nil && child.InstanceID == parent.InstanceID && child.TaskID == parent.TaskID &&
		(child.Number == parent.Number || child.Number == 0 || parent.Number == 0)
}

// callsAgain returns the calls that are made again, as events behind the marker of
// the rewind. A child without a name of its own gets another.
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

// tell adds the children to the plan. It returns an error if one of the calls that are
// to be made again cannot be.
func (p *RewindPlan) tell(past *past, fates map[int32]fate, undone map[int32]moment, k childRows) (err error) {
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
				err = fmt.Errorf("%w: the call of %q that failed cannot be made again: that id belongs to another instance now, which is %s; terminate it first, or restart %q",
					ErrInvalidState, child, k[id].Status, p.Instance)
			}
		}
	}
	return err
}
