package hubs

import (
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
)

// Keyring is keys.json as it is now: an edit counts from the next request on.
// Each request with a key, or a link, looks whether the file is still the one
// that was read, which takes a microsecond.
//
// A file that cannot be used, or is gone, changes nothing and is told once. So
// does a change that cannot be noted in the audit; it is tried again.
type Keyring struct {
	path       string
	always     []httpapi.Key // besides those of the file
	LinkSecret []byte        // signs links of one operation; nil: there are none
	log        *slog.Logger
	note       func([]storedKey) error // notes in the audit what is going to count

	mu    sync.Mutex // guards all below
	keys  []httpapi.Key
	Names []storedKey // of the file
	seen  fs.FileInfo // of the file when it was last read; nil: it was not there
	at    time.Time   // when that was
	told  string      // what was wrong with it then
}

// oldEnough is how old a file must be for its next change to have another time.
const oldEnough = 2 * time.Second

// NewKeyring reads the secrets of a host. Those in always are keys besides the
// file's.
func NewKeyring(cfg *config.Config, log *slog.Logger, note func([]storedKey) error, always ...httpapi.Key) (*Keyring, error) {
	k := &Keyring{path: KeysPath(cfg.DataDir), always: always, log: log, note: note}
	stored, err := loadKeys(cfg.DataDir)
	if err == nil && cfg.Management.LinkScope == config.InstanceLinks {
		k.LinkSecret, err = loadLinkSecret(cfg.DataDir)
	}
	k.take(stored)
	return k, err
}

func (k *Keyring) take(stored []storedKey) {
	k.Names, k.keys = stored, nil
	for _, s := range stored {
		k.keys = append(k.keys, s.key())
	}
	k.keys = append(k.keys, k.always...)
}

// Current returns the keys that count now. Nobody may change them.
func (k *Keyring) Current() []httpapi.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Lstat(k.path)
	if err == nil && k.unchanged(info) {
		return k.keys
	}
	k.seen, k.at = info, time.Now()
	stored, err := readKeys(k.path)
	if err != nil {
		k.complain(err)
		return k.keys
	}
	added, removed, changed := compareKeys(k.Names, stored)
	if len(added)+len(removed)+len(changed) > 0 {
		if err := k.note(stored); err != nil {
			k.seen = nil
			k.complain(err)
			return k.keys
		}
		k.take(stored)
		k.log.Info("keys were changed", "added", added, "removed", removed, "changed", changed)
	}
	k.told = ""
	return k.keys
}

// unchanged reports whether info is of the file that was read. One that was
// young then may have been written again within the same tick of its clock.
func (k *Keyring) unchanged(info fs.FileInfo) bool {
	return k.seen != nil && os.SameFile(k.seen, info) && k.seen.Size() == info.Size() && k.seen.Mode() == info.Mode() &&
		k.seen.ModTime().Equal(info.ModTime()) && info.ModTime().Before(k.at.Add(-oldEnough))
}

func (k *Keyring) complain(err error) {
	if text := err.Error(); k.told != text {
		k.told = text
		k.log.Error("keys.json cannot be used; the keys that were read before still count", "error", text)
	}
}

// compareKeys returns the names of keys that are new, gone, or have another
// value or role.
func compareKeys(before, after []storedKey) (added, removed, changed []string) {
	old := map[string]storedKey{}
	for _, k := range before {
		old[k.Name] = k
	}
	for _, k := range after {
		was, ok := old[k.Name]
		switch {
		case !ok:
			added = append(added, k.Name)
		case was != k:
			changed = append(changed, k.Name)
		}
		delete(old, k.Name)
	}
	for _, k := range before {
		if _, gone := old[k.Name]; gone {
			removed = append(removed, k.Name)
		}
	}
	return added, removed, changed
}
