package storetest

import (
	"errors"
	"slices"
	"sync"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// join begins another tenure, which owns nothing.
func (r *room) join(address string) store.Tenure {
	r.Helper()
	t, err := r.Store.Join(r.Context(), store.Node{Name: "node " + address, Host: "h", Address: address})
	if err != nil {
		r.Fatalf("Join: %v", err)
	}
	return t
}

func (r *room) beat(t store.Tenure, load string) store.Members {
	r.Helper()
	members, err := t.Beat(r.Context(), store.Load(load))
	if err != nil {
		r.Fatalf("Beat: %v", err)
	}
	return members
}

func (r *room) fence(by, t store.Tenure) {
	r.Helper()
	if err := by.Fence(r.Context(), t.ID()); err != nil {
		r.Fatalf("Fence(%d): %v", t.ID(), err)
	}
}

// over checks that all methods of a tenure say that it is over, and that
// nothing of it is stored.
func (r *room) over(t store.Tenure) {
	r.Helper()
	late := start(9999, "late", history.Pending)
	for call, err := range map[string]error{
		"Acquire":               second(t.Acquire(r.Context(), 0)),
		"Commit":                t.Commit(r.Context(), 0, []*store.Delta{late}),
		"Commit without deltas": t.Commit(r.Context(), 0, nil),
		"Beat":                  second(t.Beat(r.Context(), nil)),
		"Fence":                 t.Fence(r.Context(), 1),
		"Leave":                 t.Leave(r.Context()),
	} {
		if !errors.Is(err, store.ErrFenced) {
			r.Errorf("%s of a tenure that is over = error %v, want %v", call, err, store.ErrFenced)
		}
	}
	if row, ok := r.find("late"); ok {
		r.Errorf("FindInstance(late) = %v, want none", row)
	}
}

// testAcquire: what a tenure owns already is not granted again, and epochs grow.
func testAcquire(r *room) {
	if grants, err := r.owner.Acquire(r.Context(), 0, 1, 2, 3); err != nil || len(grants) != 0 {
		r.Errorf("Acquire(what it owns) = %v, %v, want nothing", grants, err)
	}
	for range 3 {
		r.takeOver() // checks that epochs grow
	}
	if err := r.owner.Leave(r.Context()); err != nil {
		r.Errorf("Leave: %v", err)
	}
	t := r.join("a")
	for _, want := range [][]int{{2}, {0, 3}, {1}} {
		grants, err := t.Acquire(r.Context(), append([]int{2, 2}, want...)...) // twice the same is once
		if err != nil {
			r.Fatalf("Acquire(%v): %v", want, err)
		}
		var got []int
		for _, g := range grants {
			if got = append(got, g.Partition); g.Epoch <= r.epochs[g.Partition] {
				r.Errorf("Acquire granted partition %d with epoch %d, want more than %d", g.Partition, g.Epoch, r.epochs[g.Partition])
			}
		}
		slices.Sort(got)
		r.same("partitions granted", got, want)
	}
}

// testOwnOnly: a tenure stores nothing about a partition that it does not own,
// and one such delta keeps out all others of its commit.
func testOwnOnly(r *room) {
	a := start(1, "a", history.Pending)
	b := about(start(2, "b", history.Pending))
	b.Partition = (a.Partition + 1) % partitions
	b.SetTimers = []store.Timer{{Due: farFuture, Number: 1}}
	if err := r.owner.Leave(r.Context()); err != nil {
		r.Fatalf("Leave: %v", err)
	}
	t := r.join("a")
	if _, err := t.Acquire(r.Context(), a.Partition); err != nil {
		r.Fatalf("Acquire(%d): %v", a.Partition, err)
	}
	for _, deltas := range [][]*store.Delta{{a, b}, {b, a}, {b}} {
		if err := t.Commit(r.Context(), 0, deltas); !errors.Is(err, store.ErrFenced) {
			r.Errorf("Commit(partition %d, which it does not own) = error %v, want %v", b.Partition, err, store.ErrFenced)
		}
	}
	r.same("contents", r.contents([]history.InstanceID{"a"}, []history.Number{a.Number}), contents{})
	if err := t.Commit(r.Context(), 0, []*store.Delta{a}); err != nil {
		r.Errorf("Commit(partition %d, which it owns): %v", a.Partition, err)
	}
}

// testTenureEnds: Fence and Leave end a tenure for good, Fence also its own; an
// unknown id is no error.
func testTenureEnds(r *room) {
	a := start(1, "a", history.Pending)
	r.commit(a)
	if err := r.owner.Commit(r.Context(), 0, nil); err != nil {
		r.Errorf("Commit without deltas of a tenure that lives: %v", err)
	}
	for _, id := range []store.TenureID{0, 1, r.owner.ID() + 1} {
		if err := r.owner.Fence(r.Context(), id); err != nil {
			r.Errorf("Fence(%d), which is not known: %v", id, err)
		}
	}
	r.same("owners", r.beat(r.owner, "").Owners, []store.TenureID{r.owner.ID(), r.owner.ID(), r.owner.ID(), r.owner.ID()})
	r.over(r.takeOver())
	r.fence(r.owner, r.owner)
	r.over(r.owner)
	r.takeOver()
	if err := r.owner.Leave(r.Context()); err != nil {
		r.Errorf("Leave: %v", err)
	}
	r.over(r.owner)
	t := r.join("a")
	r.same("owners", r.beat(t, "").Owners, make([]store.TenureID, partitions))
	if row, ok := r.find("a"); !ok || row.Number != a.Number {
		r.Errorf("FindInstance(a) = %v, %t: what was stored is gone", row, ok)
	}
}

// testBeat: a beat shows who is there.
func testBeat(r *room) {
	if err := r.owner.Leave(r.Context()); err != nil {
		r.Fatalf("Leave: %v", err)
	}
	t := r.join("a")
	for beat := range uint64(3) {
		members := r.beat(t, "busy")
		if len(members.Nodes) != 1 {
			r.Fatalf("Beat = %+v, want one node", members)
		}
		m := members.Nodes[0]
		if m.Age < 0 {
			r.Errorf("Beat = age %v", m.Age)
		}
		m.Age = 0
		r.same("member", m, store.Member{Node: store.Node{Name: "node a", Host: "h", Address: "a"}, ID: t.ID(), Beat: beat + 1, Load: store.Load("busy")})
	}
}

// testShare: tenures that want all partitions at once share them without
// overlap, and the one that is fenced loses only its own.
func testShare(r *room) {
	if r.OneTenure {
		return
	}
	r.fence(r.owner, r.owner)
	tenures := []store.Tenure{r.join("a"), r.join("b"), r.join("c")}
	granted := make([][]store.Grant, len(tenures))
	var group sync.WaitGroup
	for i, t := range tenures {
		group.Go(func() {
			for p := range partitions {
				grants, err := t.Acquire(r.Context(), p)
				if err != nil {
					r.Errorf("Acquire(%d): %v", p, err)
				}
				granted[i] = append(granted[i], grants...)
			}
		})
	}
	group.Wait()
	owners := make([]store.TenureID, partitions)
	for i, t := range tenures {
		for _, g := range granted[i] {
			if owners[g.Partition] != 0 {
				r.Errorf("partition %d was granted twice", g.Partition)
			}
			owners[g.Partition] = t.ID()
		}
	}
	r.same("owners", r.beat(tenures[0], "").Owners, owners)
	if nodes := r.beat(tenures[0], "").Nodes; len(nodes) != len(tenures) {
		r.Errorf("Beat shows %d nodes, want %d", len(nodes), len(tenures))
	}

	gone := tenures[1]
	r.fence(tenures[0], gone)
	r.over(gone)
	for p, id := range owners {
		if id == gone.ID() {
			owners[p] = 0
		}
	}
	r.same("owners after a fence", r.beat(tenures[2], "").Owners, owners)
	for _, t := range []store.Tenure{tenures[0], tenures[2]} {
		if err := t.Commit(r.Context(), 0, nil); err != nil {
			r.Errorf("Commit of a tenure that was not fenced: %v", err)
		}
	}
}
