package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/perdure/perdure/internal/store"
)

// deletedError is what calls of a deleted hub return. To an engine it is an
// [store.ErrBroken].
type deletedError struct{ name string }

func (e deletedError) Error() string      { return fmt.Sprintf("hub %q was deleted", e.name) }
func (deletedError) Is(target error) bool { return target == store.ErrBroken }

// DeleteHub removes the hub called name, in any letter case, and all that is in
// it; [store.ErrHubNotFound] says that there is none. It is one step: a crash
// leaves the hub whole or gone. Whoever still uses the [Hub] gets errors from
// then on, an [store.ErrBroken] each. A hub that is made later under the same
// name is a new one. It does not ask for free space on the disk, since it makes
// some; that comes back soon, in the background.
func (db *DB) DeleteHub(name string) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	db.making.Lock()
	defer db.making.Unlock()
	h, ok := db.findHub(name)
	if !ok {
		return fmt.Errorf("hub %q in %s: %w", name, db.dir, store.ErrHubNotFound)
	}
	if err := h.erase(); err != nil {
		return fmt.Errorf("delete hub %q: %w", h.name, err)
	}
	db.mu.Lock()
	delete(db.hubs, strings.ToLower(h.name))
	db.mu.Unlock()
	h.removeNotes()
	db.reclaimer.add(h.id, span{whole: true})
	return nil
}

// erase removes all keys of the hub at once. What stays is its number, which no
// other hub gets.
func (h *Hub) erase() error {
	h.writing.Lock()
	defer h.writing.Unlock()
	record, err := json.Marshal(hubRecord{Name: h.name, Deleted: true})
	if err != nil {
		return err
	}
	batch := h.db.pebble.NewBatch()
	err = errors.Join(
		batch.Set(newKey(0, spaceHubs).uint16(h.id), record, nil),
		batch.DeleteRange(newHubKey(h.id), newHubKey(h.id).uint8(0xff), nil),
	)
	if err != nil {
		return err
	}
	h.deleted.Store(true) // before: no read may show an empty hub
	return h.db.write(batch)
}

// err returns why the hub cannot be used, nil if it can.
func (h *Hub) err() error {
	if h.deleted.Load() {
		return deletedError{h.name}
	}
	return nil
}
