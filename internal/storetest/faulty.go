package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/perdure/perdure/internal/store"
)

// FaultMode is how a commit fails.
type FaultMode int8

const (
	// NotStored: nothing of the commit is stored.
	NotStored FaultMode = iota + 1
	// StoredButFailed: the commit is stored as if all were well, and yet its
	// caller is told otherwise.
	StoredButFailed
)

// ErrFault is what a failed commit returns. Its caller cannot tell the modes
// apart.
var ErrFault = errors.New("fault on demand")

// FaultyStore is a store whose commits fail on demand. All methods are safe for
// concurrent use.
type FaultyStore struct {
	store.Store

	mu      sync.Mutex // guards all below
	commits int
	faults  map[int]FaultMode // by number of the commit
}

// Faulty returns inner with no faults yet.
func Faulty(inner store.Store) *FaultyStore {
	return &FaultyStore{Store: inner, faults: make(map[int]FaultMode)}
}

// FailCommit makes the n-th commit of deltas fail, counted from 1 over the life
// of the store.
func (s *FaultyStore) FailCommit(n int, mode FaultMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[n] = mode
}

// Commits returns how many commits of deltas were asked for, failed ones
// included.
func (s *FaultyStore) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

// Join implements [store.Store].
func (s *FaultyStore) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	return JoinWith(ctx, s.Store, self, s.commit)
}

func (s *FaultyStore) commit(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
	if len(deltas) == 0 {
		return t.Commit(ctx, lane, nil)
	}
	switch s.count() {
	case NotStored:
		return ErrFault
	case StoredButFailed:
		if err := t.Commit(ctx, lane, deltas); err != nil {
			return err
		}
		return ErrFault
	}
	return t.Commit(ctx, lane, deltas)
}

// count returns how the commit that begins now fails, 0 if it does not.
func (s *FaultyStore) count() FaultMode {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	return s.faults[s.commits]
}
