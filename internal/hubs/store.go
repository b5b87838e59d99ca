package hubs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/backup"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

// This file is the only one that knows which store there is.

// How long others are waited for that have the store open.
const (
	lockPatience  = 5 * time.Second  // a command, or a host that comes or goes
	DyingPatience = 30 * time.Second // a host that does not answer, and is perhaps being killed
	lockPause     = 50 * time.Millisecond
)

// Opening says how a store is opened.
type Opening struct {
	Dying    time.Duration // how long a process is waited for that does not answer at its endpoint
	ReadOnly bool
	Log      *slog.Logger // nil: discarded
}

// Open opens the configured store, and makes it if it is not there. A process
// without an endpoint is a command, or a host that comes or goes, and soon done
// with the store: it is waited for. So is one that does not answer at its
// endpoint: after a kill -9 the lock is held until the system has taken back
// the memory. One that answers is a [*store.LockedError].
func Open(ctx context.Context, cfg *config.Config, o Opening) (store.Provider, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	began := time.Now()
	for {
		db, err := embedded.Open(cfg.DataDir, embedded.Options{Logger: o.Log, ReadOnly: o.ReadOnly, OpenFiles: tableLimit()})
		var locked *store.LockedError
		if !errors.As(err, &locked) {
			if err != nil {
				return nil, err
			}
			return embedded.Provider{DB: db}, nil
		}
		patience := lockPatience
		ep, found, broken := findEndpoint(cfg.DataDir, locked.PID)
		if found {
			if ep.answers(ctx) {
				return nil, err
			}
			patience = max(o.Dying, lockPatience)
			err = fmt.Errorf("%w; it does not answer", err)
		}
		if broken != nil || time.Since(began) > patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockPause):
		}
	}
}

// openExisting is [Open] for those who must not make a store.
func openExisting(ctx context.Context, cfg *config.Config, o Opening) (store.Provider, error) {
	if !Exists(cfg) {
		return nil, fmt.Errorf("%w: %s: %w in %s", client.ErrHubNotFound, cfg.HubName, ErrNoStore, cfg.DataDir)
	}
	return Open(ctx, cfg, o)
}

// isLocked reports whether a store was not opened since another process has it.
func isLocked(err error) bool { return errors.As(err, new(*store.LockedError)) }

// Exists reports whether a store was ever opened in the configured folder:
// opening would create one.
func Exists(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.DataDir, "FORMAT"))
	return !errors.Is(err, fs.ErrNotExist)
}

// restoreStore makes dataDir the store that the backup in dir holds; finish is
// called with it and the folder that it is in until that is done.
func restoreStore(ctx context.Context, dir, dataDir string, finish func(folder string, from store.Provider, b *backup.Backup) error) (*backup.Backup, error) {
	return embedded.Restore(ctx, dir, dataDir, embedded.Options{}, func(folder string, db *embedded.DB, b *backup.Backup) error {
		return finish(folder, embedded.Provider{DB: db}, b)
	})
}

// VerifyBackup reads all of the backup in dir and compares it with its
// checksums.
func VerifyBackup(ctx context.Context, dir string) (*backup.Backup, error) {
	return embedded.VerifyBackup(ctx, dir)
}

// tableLimit is how many tables the store keeps open, a quarter of the
// descriptors at most: the rest of its half is for logs, compactions and
// backups. 0 leaves it to the store.
func tableLimit() int {
	files, ok := MaxFiles()
	if !ok {
		return 0
	}
	return int(min(1000, files/4))
}
