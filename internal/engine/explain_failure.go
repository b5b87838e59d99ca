package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file tells about failures: of a tree of instances, which call is behind
// it and whose rewind moves it; of a timer, which failed attempt it follows.

// fault is a failed call that ended an instance, or a descendant of it.
type fault struct {
	hub.Undone
	caller history.InstanceID // whose call it was
	others int                // calls that failed besides
}

// explainFailure adds to s, a Failed instance, what failed below it and what a
// rewind of it, or of those above it, reaches.
func (e *Engine) explainFailure(ctx context.Context, s *situation, budget *int) error {
	if err := e.descend(ctx, s, budget); err != nil {
		return err
	}
	top, err := e.ascend(ctx, s, budget)
	if err != nil || s.vain != "" || !decide.Failed(top) {
		return err
	}
	children, err := childRowsOf(ctx, e.store, top)
	if err != nil {
		return err
	}
	if _, _, refused := (&decide.FailedInstance{Row: s.top, Records: top, Children: children}).Rewind(hub.RewindRequest{}, nil, s.now, ""); refused != nil {
		s.vain = "A rewind is " + sentence(refused.Error())
	}
	return nil
}

// descend looks for the call that really failed: that of the deepest descendant
// that is still as its parent saw it end.
func (e *Engine) descend(ctx context.Context, s *situation, budget *int) error {
	row, turns := s.row, s.turns
	for {
		past := decide.Survey(turns)
		causes := past.Causes()
		if len(causes) == 0 { // its own code failed
			if decide.TimedOut(turns) {
				s.vain = fmt.Sprintf("A rewind would not help: %q waited for an event for as long as it may, and would not wait again.", row.ID)
			}
			if past.FailsAgain() {
				s.broken = row.Name
			}
			return nil
		}
		others := len(causes) - 1
		if s.fault != nil {
			others += s.fault.others
		}
		s.fault = &fault{Undone: causes[0], caller: row.ID, others: others}
		if s.fault.Kind != history.SubOrchestrationInstanceCreated || *budget <= 0 {
			return nil
		}
		*budget--
		child, err := picture(ctx, e.store, s.fault.Instance)
		switch {
		case errors.Is(err, hub.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		parent := child.Instance.Parent
		if !decide.Failed(child.Turns) || parent == nil || parent.InstanceID != row.ID || parent.TaskID != s.fault.Task {
			return nil // it was rewound or replaced since
		}
		row, turns = child.Instance, child.Turns
	}
}

// ascend looks for the topmost ancestor whose rewind rewinds the instance too.
// It returns the history of that.
func (e *Engine) ascend(ctx context.Context, s *situation, budget *int) (turns []history.Turn, err error) {
	s.top, turns = s.row, s.turns
	for s.top.Parent != nil && *budget > 0 {
		*budget--
		id := s.top.Parent.InstanceID
		row, ok, err := e.store.FindInstance(ctx, id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("find instance %s: %w", id, err)
		case !ok:
			s.deaf = fmt.Sprintf("%q (no longer in this hub)", id)
			return turns, nil
		}
		s.deaf = fmt.Sprintf("%q (%s)", id, row.Status)
		if row.Status != history.Failed {
			return turns, nil
		}
		parent, err := picture(ctx, e.store, id)
		switch {
		case errors.Is(err, hub.ErrNotFound):
			continue // purged just now
		case err != nil:
			return nil, err
		}
		children, err := childRowsOf(ctx, e.store, parent.Turns)
		switch {
		case err != nil:
			return nil, err
		case !s.reached(&parent, children):
			return turns, nil
		}
		s.top, s.deaf, turns = parent.Instance, "", parent.Turns
	}
	return turns, nil
}

// reached reports whether a rewind of parent rewinds the topmost instance
// known.
func (s *situation) reached(parent *hub.Archive, children decide.ChildRows) bool {
	if !decide.Failed(parent.Turns) {
		return false
	}
	d, _, err := (&decide.FailedInstance{Row: parent.Instance, Records: parent.Turns, Children: children}).Rewind(hub.RewindRequest{}, nil, s.now, "")
	call := d.State.Open[s.top.Parent.TaskID]
	return err == nil && call != nil && call.Kind == history.SubOrchestrationInstanceCreated && call.Instance == s.top.ID
}

// failure tells about a Failed instance.
func (s *situation) failure(x hub.Explanation) hub.Explanation {
	x.Action, x.Target, x.Advice = "rewind", s.top.ID, hub.TheAction
	x.Summary = "It failed at " + stamp(s.row.CompletedAt)
	switch end := s.state.Completed; {
	case s.fault != nil:
		x.Summary += " because " + s.fault.tell(s.row.ID)
		x.Stack = s.fault.Failure.Trace()
	case end != nil && end.Failure != nil:
		x.Summary += ": " + sentence(end.Failure.String())
		x.Stack = end.Failure.Trace()
	default:
		x.Summary += "."
	}
	switch above := s.top.ID != s.row.ID; {
	case s.vain != "":
		x.Action, x.Advice = "restart", hub.TheAction
		x.Summary += " " + s.vain
	case above && s.deaf != "":
		x.Summary += fmt.Sprintf(" A rewind of %q rewinds it too; the parent of that, %s, will not learn of the outcome.", s.top.ID, s.deaf)
	case above:
		x.Summary += fmt.Sprintf(" A rewind of %q rewinds it too.", s.top.ID)
	case s.deaf != "":
		x.Summary += fmt.Sprintf(" A rewind is for itself alone: its parent, %s, will not learn of the outcome.", s.deaf)
	}
	if s.broken != "" && s.vain == "" {
		x.Summary += fmt.Sprintf(" The code of %q, as it is, would fail again.", s.broken)
		x.Advice = "Deploy mended code, then: " + x.Advice
	}
	return x
}

// tell names the call, as seen from the instance id, and its failure.
func (f *fault) tell(id history.InstanceID) string {
	var what string
	own, child := f.caller == id, f.Kind == history.SubOrchestrationInstanceCreated
	switch {
	case own && child:
		what = fmt.Sprintf("its child %q (%s)", f.Instance, f.Name)
	case child:
		what = fmt.Sprintf("%q (%s), a child of %q,", f.Instance, f.Name, f.caller)
	case own:
		what = fmt.Sprintf("the activity %q", f.Name)
	default:
		what = fmt.Sprintf("the activity %q of %q", f.Name, f.caller)
	}
	what += " failed"
	if f.others > 0 {
		what += fmt.Sprintf(" (and %d more)", f.others)
	}
	if f.Failure == nil {
		return what + "."
	}
	return what + ": " + sentence(f.Failure.String())
}

// tellSetback tells of the failure that a timer follows.
func tellSetback(b *decide.Setback) string {
	text := fmt.Sprintf("attempt %d of the activity %q failed", b.Attempt, b.Call.Name)
	if b.Call.Kind == history.SubOrchestrationInstanceCreated {
		text = fmt.Sprintf("the child %q failed", b.Call.Instance)
	}
	if b.Failure != nil {
		text += ": " + b.Failure.String()
	}
	return text
}
