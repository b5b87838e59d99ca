package storetest

import (
	"errors"
	"math/rand/v2"
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

// testRelease: a partition that was released is not the owner's any more, also
// for a delta behind it in the same commit, and the next owner gets what was
// left for it.
func testRelease(r *room) {
	a := start(1, "a", history.Pending)
	p, other := a.Partition, (a.Partition+1)%partitions
	release := func(carry string) *store.Delta {
		return &store.Delta{Partition: p, Release: &store.Handover{Carry: []byte(carry)}}
	}
	late := start(2, "late", history.Pending)
	late.Partition = p
	if err := r.owner.Commit(r.Context(), 0, []*store.Delta{a, release("x"), late}); !errors.Is(err, store.ErrFenced) {
		r.Errorf("Commit(a delta behind a release) = error %v, want %v", err, store.ErrFenced)
	}
	r.same("contents", r.contents([]history.InstanceID{"a", "late"}, []history.Number{a.Number}), contents{})
	for i, carry := range []string{"first", "second", ""} {
		if i == 0 {
			r.commit(a, release(carry))
		} else {
			r.commit(release(carry))
		}
		if err := r.owner.Commit(r.Context(), 0, []*store.Delta{late}); !errors.Is(err, store.ErrFenced) {
			r.Errorf("Commit(partition %d, which was released) = error %v, want %v", p, err, store.ErrFenced)
		}
		r.commit(&store.Delta{Partition: other}) // what it still owns
		if owner := r.beat(r.owner, "").Owners[p]; owner != 0 {
			r.Errorf("partition %d has owner %d after its release", p, owner)
		}
		grants, err := r.owner.Acquire(r.Context(), p, other)
		if err != nil || len(grants) != 1 || grants[0].Partition != p || grants[0].Epoch <= r.epochs[p] || string(grants[0].Carry) != carry {
			r.Fatalf("Acquire(%d) = %+v, %v, want it with an epoch above %d and carry %q", p, grants, err, r.epochs[p], carry)
		}
		r.epochs[p] = grants[0].Epoch
	}
	if _, ok := r.find("a"); !ok {
		r.Errorf("FindInstance(a) = none: what came before the release is gone")
	}
	r.commit(update(a, history.Running))
}

// testHandover: a partition that is handed over is granted to that tenure and
// to no other; a tenure that is over gets nothing.
func testHandover(r *room) {
	if r.OneTenure {
		return
	}
	b, c := r.join("b"), r.join("c")
	for i, p := range []int{2, 3} {
		r.commit(&store.Delta{Partition: p, Release: &store.Handover{To: b.ID(), Carry: []byte{byte(i)}}})
	}
	if grants, err := c.Acquire(r.Context(), 2, 3); err != nil || len(grants) != 0 {
		r.Errorf("Acquire(partitions handed to another) = %v, %v, want none", grants, err)
	}
	if err := b.Commit(r.Context(), 0, []*store.Delta{{Partition: 2}}); !errors.Is(err, store.ErrFenced) {
		r.Errorf("Commit(a partition not acquired yet) = error %v, want %v", err, store.ErrFenced)
	}
	grants, err := b.Acquire(r.Context(), 0, 1, 2)
	if err != nil || len(grants) != 1 || grants[0].Partition != 2 || grants[0].Epoch <= r.epochs[2] || string(grants[0].Carry) != "\x00" {
		r.Errorf("Acquire(0, 1, 2) = %+v, %v, want 2 with its carry", grants, err)
	}
	if err := b.Commit(r.Context(), 0, []*store.Delta{{Partition: 2}}); err != nil {
		r.Errorf("Commit(a partition acquired): %v", err)
	}
	r.fence(c, b)
	r.commit(&store.Delta{Partition: 1, Release: &store.Handover{To: b.ID()}})
	r.same("owners", r.beat(c, "").Owners, []store.TenureID{r.owner.ID(), 0, 0, 0})
	if grants, err = c.Acquire(r.Context(), 1, 2, 3); err != nil || len(grants) != 3 {
		r.Errorf("Acquire(1, 2, 3) = %+v, %v, want all", grants, err)
	}
	for _, g := range grants {
		if g.Carry != nil {
			r.Errorf("partition %d carries %q after a fence", g.Partition, g.Carry)
		}
	}
}

// testEpochsGrow: whoever takes a partition in whatever way gets a higher epoch
// than all before.
func testEpochsGrow(r *room) {
	rng := rand.New(rand.NewPCG(1, 2))
	owners := map[int]bool{0: true, 1: true, 2: true, 3: true}
	for range 300 {
		p := rng.IntN(partitions)
		switch {
		case rng.IntN(10) == 0:
			r.takeOver() // checks it
			owners = map[int]bool{0: true, 1: true, 2: true, 3: true}
		case owners[p]:
			r.commit(&store.Delta{Partition: p, Release: &store.Handover{}})
			owners[p] = false
		default:
			grants, err := r.owner.Acquire(r.Context(), p)
			if err != nil || len(grants) != 1 || grants[0].Epoch <= r.epochs[p] {
				r.Fatalf("Acquire(%d) = %+v, %v, want it with an epoch above %d", p, grants, err, r.epochs[p])
			}
			r.epochs[p], owners[p] = grants[0].Epoch, true
		}
	}
}

// testLanes: each lane takes commits, what fails in one leaves the others
// alone, and there are no more than Lanes says.
func testLanes(r *room) {
	for lane := range r.owner.Lanes() {
		d := start(int64(lane+1), history.InstanceID(rune('a'+lane)), history.Pending)
		if err := r.owner.Commit(r.Context(), lane, []*store.Delta{{Partition: partitions}}); err == nil {
			r.Errorf("Commit(lane %d, partition %d) = no error", lane, partitions)
		}
		if err := r.owner.Commit(r.Context(), lane, []*store.Delta{d}); err != nil {
			r.Errorf("Commit(lane %d): %v", lane, err)
		}
		if _, ok := r.find(d.ID); !ok {
			r.Errorf("lane %d stored nothing", lane)
		}
	}
	for _, lane := range []int{-1, r.owner.Lanes()} {
		if err := r.owner.Commit(r.Context(), lane, nil); err == nil {
			r.Errorf("Commit(lane %d) = no error, want one: there are %d", lane, r.owner.Lanes())
		}
	}
}
