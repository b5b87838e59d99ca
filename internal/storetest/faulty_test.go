package storetest

import (
	"errors"
	"testing"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
)

func TestFaulty(t *testing.T) {
	t.Parallel()
	kept := Faulty(memory.New(partitions))
	kept.FailCommit(2, NotStored)
	kept.FailCommit(3, StoredButFailed)
	r := enter(t, Fixture{Store: kept})
	for i, tt := range []struct {
		id     history.InstanceID
		fails  bool
		stored bool
	}{
		{"fine", false, true}, {"not stored", true, false}, {"stored but failed", true, true}, {"fine again", false, true},
	} {
		d := start(int64(i+1), tt.id, history.Pending)
		if err := r.owner.Commit(t.Context(), 0, []*store.Delta{d}); errors.Is(err, ErrFault) != tt.fails {
			t.Errorf("Commit(%s) = error %v, want a fault: %t", tt.id, err, tt.fails)
		}
		if _, ok := r.find(tt.id); ok != tt.stored {
			t.Errorf("FindInstance(%s) = %t, want %t", tt.id, ok, tt.stored)
		}
	}
	if got := kept.Commits(); got != 4 {
		t.Errorf("Commits() = %d, want 4", got)
	}
}

// A commit that the store itself refuses keeps its own error.
func TestFaultyKeepsRefusals(t *testing.T) {
	t.Parallel()
	kept := Faulty(memory.New(partitions))
	kept.FailCommit(1, StoredButFailed)
	owner, err := kept.Join(t.Context(), store.Node{})
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Commit(t.Context(), 0, []*store.Delta{{}}); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Commit(partition of nobody) = error %v, want %v", err, store.ErrFenced)
	}
}
