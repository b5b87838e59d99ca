package engine

import (
	"context"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// This file knows trees. The children of an instance are those that it called,
// in whatever execution, and that are still there: a label of their rows names
// it. Those whose start is under way have no row yet: it is in an inbox of this
// process.

// treePageSize is how many children one decision looks at.
const treePageSize = 1000

// treePage reads a page of the children of an instance that has ended.
func (t *tenure) treePage(tree *decide.Tree) (page decide.TreePage, err error) {
	if tree.Before == 0 { // first: what is no longer under way then is in the store once all commits have ended
		if err := t.allRouted(t.ctx); err != nil {
			return page, err
		}
		page.Starting = t.starting(func(n history.Number) bool { return n == tree.Parent.Number })
	}
	if err := t.barrier(t.ctx); err != nil {
		return page, err
	}
	q := history.Query{Labels: []string{history.ParentLabel(tree.Parent.Number)}, Parent: tree.Parent.InstanceID, Before: tree.Before, Limit: treePageSize}
	listed, err := t.store.ListInstances(t.ctx, q)
	if err != nil {
		return page, err
	}
	page.Rows, page.Next = listed.Rows, listed.Next
	page.Parents = make(map[history.Number]bool)
	for i := range page.Rows {
		row := &page.Rows[i]
		if !row.Status.Terminal() || tree.Told(row.Parent) {
			continue
		}
		below, err := t.store.ListInstances(t.ctx, history.Query{Labels: []string{history.ParentLabel(row.Number)}, Limit: 1})
		if err != nil {
			return page, err
		}
		page.Parents[row.Number] = len(below.Rows) > 0 || below.Next != 0
	}
	return page, nil
}

// starting returns the starts under way by parents whose number is one of those
// that are asked for.
func (t *tenure) starting(by func(history.Number) bool) (found []decide.Starting) {
	for _, p := range t.partitions {
		p.mu.Lock()
		for id, inst := range p.instances {
			if inst.tally.starts == 0 {
				continue
			}
			for _, inbox := range [][]decide.Message{inst.taken, inst.inbox} {
				for i := range inbox {
					if ev := &inbox[i].Event; ev.Kind == history.ExecutionStarted && ev.Started.Parent != nil && by(ev.Started.Parent.Number) {
						found = append(found, decide.Starting{ID: id, Parent: ev.Started.Parent})
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
	q := history.Query{Labels: []string{history.ParentLabel(parent.Number)}, Parent: parent.ID, Limit: treePageSize}
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
	return i.exists() && decide.CalledBy(i.row.Parent, parent)
}
