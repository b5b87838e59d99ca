package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/store"
)

var _ store.CrashNotes = (*Hub)(nil)

// Notes implements [store.CrashNotes]: the words are a file that is mapped into
// memory, so writing to them costs no system call, and the operating system has
// them when the process has gone. The mapping stays until the process ends,
// since code that was left behind may still write to it.
func (h *Hub) Notes(n int) (words []atomic.Uint64, before []uint64, err error) {
	if !h.db.onDisk {
		return nil, nil, nil
	}
	path := filepath.Join(h.db.dir, fmt.Sprintf("running-%d", h.id))
	if words, before, err = mapNotes(path, n); err != nil {
		return nil, nil, fmt.Errorf("notes of hub %q: %w", h.name, err)
	}
	return words, before, nil
}

// removeNotes drops the notes of a hub that is deleted.
func (h *Hub) removeNotes() {
	if h.db.onDisk {
		os.Remove(filepath.Join(h.db.dir, fmt.Sprintf("running-%d", h.id))) // should it stay, nobody reads it
	}
}

// Memo implements [store.CrashNotes].
func (h *Hub) Memo(ctx context.Context) ([]byte, error) {
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	defer h.db.leave()
	value, closer, err := h.db.pebble.Get(newKey(h.id, spaceMemo))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	memo := append([]byte(nil), value...)
	return memo, closer.Close()
}

// SetMemo implements [store.CrashNotes].
func (h *Hub) SetMemo(ctx context.Context, memo []byte) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.db.leave()
	h.writing.Lock() // so that none comes after the deletion of the hub
	defer h.writing.Unlock()
	if err := h.err(); err != nil {
		return err
	}
	batch := h.db.pebble.NewBatch()
	if err := batch.Set(newKey(h.id, spaceMemo), memo, nil); err != nil {
		return err
	}
	return h.db.apply(batch)
}
