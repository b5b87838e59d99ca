package embedded

import (
	"github.com/perdure/perdure/internal/store"
)

// Health returns why the store takes no writes: it is broken or closed, which
// is an [store.ErrBroken], or the disk is full, an [store.ErrNoSpace]. nil: it
// takes them, as far as is known without trying.
func (db *DB) Health() error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if free, err := db.space.free(); err == nil && free < db.space.min {
		return store.ErrNoSpace
	}
	return nil
}
