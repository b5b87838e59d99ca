package storetest

import (
	"context"
	"slices"

	"github.com/perdure/perdure/internal/store"
)

// Test is what Own needs of a testing.T.
type Test interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// Own joins a hub and takes all partitions of it from whoever owns them. The
// grants come in the order of partitions.
func Own(t Test, kept store.Store) (store.Tenure, []store.Grant) {
	t.Helper()
	owner, err := kept.Join(t.Context(), store.Node{})
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	members, err := owner.Beat(t.Context(), nil)
	if err != nil {
		t.Fatalf("Beat: %v", err)
	}
	for _, m := range members.Nodes {
		if m.ID == owner.ID() {
			continue
		}
		if err := owner.Fence(t.Context(), m.ID); err != nil {
			t.Fatalf("Fence(%d): %v", m.ID, err)
		}
	}
	all := make([]int, kept.Partitions())
	for p := range all {
		all[p] = p
	}
	grants, err := owner.Acquire(t.Context(), all...)
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	slices.SortFunc(grants, func(a, b store.Grant) int { return a.Partition - b.Partition })
	return owner, grants
}

// CommitFunc commits deltas by a tenure, in one of its lanes.
type CommitFunc func(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error

// JoinWith joins a hub; what the tenure commits goes through commit.
func JoinWith(ctx context.Context, kept store.Store, self store.Node, commit CommitFunc) (store.Tenure, error) {
	t, err := kept.Join(ctx, self)
	if err != nil {
		return nil, err
	}
	return &committing{t, commit}, nil
}

type committing struct {
	store.Tenure
	commit CommitFunc
}

func (c *committing) Commit(ctx context.Context, lane int, deltas []*store.Delta) error {
	return c.commit(ctx, c.Tenure, lane, deltas)
}
