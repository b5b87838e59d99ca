package embedded

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/store"
)

// space refuses writes while the disk is nearly full. Pebble does not survive
// that its log cannot be written, and compactions need room to give some back.
type space struct {
	min  uint64
	free func() (uint64, error)

	mu     sync.Mutex // guards credit
	credit int        // what may be written before the disk is asked again
}

// How often the disk is asked: after 1 MiB or 16 commits, whichever is first.
const (
	creditBytes = 1 << 20
	commitCost  = creditBytes / 16
)

// take accounts for a write of size bytes. It returns [store.ErrNoSpace] if
// less than min would be left.
func (s *space) take(size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credit -= size + commitCost
	if s.credit >= 0 {
		return nil
	}
	free, err := s.free()
	switch {
	case errors.Is(err, vfs.ErrUnsupported):
	case err != nil:
		return fmt.Errorf("ask for free disk space: %w", err)
	case free < s.min+uint64(size):
		return fmt.Errorf("%d MiB free, %d MiB are kept: %w", free>>20, s.min>>20, store.ErrNoSpace)
	}
	s.credit = creditBytes
	return nil
}
