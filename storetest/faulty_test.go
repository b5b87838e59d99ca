package storetest

import (
	"errors"
	"testing"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/store/memory"
)

func TestFaulty(t *testing.T) {
	t.Parallel()
	store := Faulty(memory.New(partitions))
	store.FailCommit(2, NotStored)
	store.FailCommit(3, StoredButFailed)
	r := enter(t, Fixture{Store: store})
	for i, tt := range []struct {
		id     history.InstanceID
		fails  bool
		stored bool
	}{
		{"fine", false, true}, {"not stored", true, false}, {"stored but failed", true, true}, {"fine again", false, true},
	} {
		d := start(int64(i+1), tt.id, history.Pending)
		r.sign([]*engine.Delta{d})
		if err := store.Commit(t.Context(), []*engine.Delta{d}); errors.Is(err, ErrFault) != tt.fails {
			t.Errorf("Commit(%s) = error %v, want a fault: %t", tt.id, err, tt.fails)
		}
		if _, ok := r.find(tt.id); ok != tt.stored {
			t.Errorf("FindInstance(%s) = %t, want %t", tt.id, ok, tt.stored)
		}
	}
	if got := store.Commits(); got != 4 {
		t.Errorf("Commits() = %d, want 4", got)
	}
}

// A commit that the store itself refuses keeps its own error.
func TestFaultyKeepsRefusals(t *testing.T) {
	t.Parallel()
	store := Faulty(memory.New(partitions))
	store.FailCommit(1, StoredButFailed)
	if err := store.Commit(t.Context(), []*engine.Delta{{Epoch: 9}}); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("Commit(epoch 9) = error %v, want %v", err, engine.ErrFenced)
	}
}
