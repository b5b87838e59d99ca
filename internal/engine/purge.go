package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Purge removes an instance that has ended, and with it all that is stored of
// it. A missing one is no error: nothing is deleted. When it returns nil the
// removal is durable. Errors: ErrInvalidArgument, ErrInvalidState when it, or
// with req.Recursive one of its children, is live, ErrUnavailable
// (docs/contracts/runtime.md 5.9).
//
// The tree of a recursive purge are its children of all its executions, those
// that it called, and theirs. Instances started without being waited for are on
// their own, and so is whatever else has the id of a child now.
func (e *Engine) Purge(ctx context.Context, id history.InstanceID, req hub.PurgeRequest) (hub.PurgeResult, error) {
	if id == "" {
		return hub.PurgeResult{}, fmt.Errorf("%w: instance id is empty", hub.ErrInvalidArgument)
	}
	t, err := e.owner(ctx)
	if err != nil {
		return hub.PurgeResult{}, err
	}
	if req.Recursive {
		// One at a time: two that claim the same instances in different order
		// would wait for each other.
		select {
		case t.treePurges <- struct{}{}:
			defer func() { <-t.treePurges }()
		case <-ctx.Done():
			return hub.PurgeResult{}, context.Cause(ctx)
		}
	}
	f := &treePurge{tenure: t, force: req.Force, members: make(map[history.InstanceID]bool)}
	defer f.release()
	if err := f.claim(ctx, id, req.Recursive); err != nil {
		return hub.PurgeResult{}, err
	}
	return f.erase(ctx)
}

// treePurge is the purge of a tree of instances, which may be a single one. It
// claims all of them first, parents before children: while it looks none of
// them moves. Then it erases children before parents, so that after a crash in
// the middle what is left is still found.
type treePurge struct {
	tenure  *tenure
	force   bool                        // live instances go too
	claimed []*instance                 // parents first
	members map[history.InstanceID]bool // ids of claimed
}

// claim claims id and, if deep, its tree.
func (f *treePurge) claim(ctx context.Context, id history.InstanceID, deep bool) error {
	root, err := f.tenure.partition(id).take(ctx, claim{id: id, ends: f.force})
	if err != nil {
		return err
	}
	f.add(root)
	for next := 0; deep && next < len(f.claimed); { // claimed grows as children are found
		level := f.claimed[next:]
		next = len(f.claimed)
		if err := f.claimChildren(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// add notes a claimed instance. Parents are added before their children.
func (f *treePurge) add(inst *instance) {
	f.claimed = append(f.claimed, inst)
	f.members[inst.id] = true
}

// release ends all claims, whatever has become of the purge.
func (f *treePurge) release() {
	for _, inst := range f.claimed {
		inst.partition.mu.Lock()
		inst.partition.yield(inst)
		inst.partition.mu.Unlock()
	}
}

// claimChildren claims the children of claimed instances. Of those that start
// right now it learns first: what is not under way any more is stored once all
// commits have ended.
func (f *treePurge) claimChildren(ctx context.Context, parents []*instance) error {
	byNumber := make(map[history.Number]*instance, len(parents))
	for _, parent := range parents {
		if parent.exists() {
			byNumber[parent.row.Number] = parent
		}
	}
	if err := f.tenure.allRouted(ctx); err != nil {
		return err
	}
	for _, start := range f.tenure.starting(func(n history.Number) bool { return byNumber[n] != nil }) {
		if err := f.claimChild(ctx, start.ID, byNumber[start.Parent.Number]); err != nil {
			return err
		}
	}
	if err := f.tenure.barrier(ctx); err != nil {
		return err
	}
	for _, parent := range byNumber {
		err := f.tenure.childrenOf(ctx, &parent.row, func(child *history.Instance) error {
			return f.claimChild(ctx, child.ID, parent)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// claimChild claims id if it is, or is about to be, a child of parent.
func (f *treePurge) claimChild(ctx context.Context, id history.InstanceID, parent *instance) error {
	if f.members[id] {
		return nil
	}
	child, err := f.tenure.partition(id).take(ctx, claim{id: id, ends: f.force})
	if err != nil {
		return err
	}
	p := child.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if child.childOf(&parent.row) || child.startedBy(&parent.row) {
		f.add(child)
	} else {
		p.yield(child)
	}
	return nil
}

// startedBy reports whether a start by parent waits in the inbox. mu of the
// partition is held.
func (i *instance) startedBy(parent *history.Instance) bool {
	at := decide.Find(i.inbox, history.ExecutionStarted)
	return at >= 0 && decide.CalledBy(i.inbox[at].Event.Started.Parent, parent)
}

// live tells why the instance cannot be purged without force, nil if it can.
// The caller has claimed it.
func (f *treePurge) live(inst *instance) error {
	p := inst.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case inst.exists() && !inst.row.Status.Terminal():
		return hub.InState(inst.row.Status, "%w: %q is %s; terminate it first, or force the purge", hub.ErrInvalidState, inst.id, inst.row.Status)
	case inst != f.claimed[0] && decide.Find(inst.inbox, history.ExecutionStarted) >= 0:
		return hub.InState(history.Pending, "%w: %q is starting; terminate it first, or force the purge", hub.ErrInvalidState, inst.id)
	}
	return nil
}

// erase erases what is claimed, all of it or none, and waits until that is
// durable.
func (f *treePurge) erase(ctx context.Context) (hub.PurgeResult, error) {
	var refused error
	for _, inst := range f.claimed {
		if refused == nil && !f.force {
			refused = f.live(inst)
		}
	}
	if refused != nil { // what is known of it may not be durable yet, so the answer waits its turn
		return hub.PurgeResult{}, cmp.Or(f.tenure.barrier(ctx), refused)
	}
	for _, inst := range f.claimed {
		if !inst.exists() || inst.row.Status.Terminal() {
			continue
		}
		if err := f.tenure.load(inst); err != nil { // its timers and its parent must learn of the end
			return hub.PurgeResult{}, fmt.Errorf("load instance %s: %w", inst.id, err)
		}
	}
	result := hub.PurgeResult{Complete: true}
	var last *commits // the lane of the one before
	for _, inst := range slices.Backward(f.claimed) {
		if inst.exists() {
			result.Deleted++
			result.Events += int(inst.row.Events)
		}
		if lane := inst.partition.lane; last != nil && lane != last {
			if err := f.tenure.barrier(ctx); err != nil { // a child goes before its parent
				return hub.PurgeResult{}, err
			}
		}
		last = inst.partition.lane
		root := inst == f.claimed[0] // the parents of the others go as well
		if err := f.tenure.erase(inst, f.members, root); err != nil {
			return hub.PurgeResult{}, err
		}
	}
	if err := f.tenure.barrier(ctx); err != nil {
		return hub.PurgeResult{}, err
	}
	return result, nil
}

// erase commits the end of a claimed instance, which may be no more than a
// start that waits. Its parent, should one wait, is told if tell says so; gone
// are the ids of all that go with it.
func (t *tenure) erase(inst *instance, gone map[history.InstanceID]bool, tell bool) error {
	p := inst.partition
	live := inst.state != nil
	if live {
		t.forgetCode(inst.row.Number)
	}
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return hub.ErrUnavailable
	}
	consumed := inst.clearInbox(gone)
	var d *decision
	if inst.exists() {
		d = &decision{Decision: decide.Erase(inst.row, inst.state)}
		if live && tell {
			d.TellParent(&inst.row, "purged", history.Truncate(t.now()))
		}
	}
	inst.held, inst.unread = nil, false
	sent := t.commit(inst, d, consumed, nil)
	p.mu.Unlock()
	t.route(sent)
	return nil
}
