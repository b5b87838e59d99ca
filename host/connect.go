package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/store/embedded"
)

// Connect returns a client of the configured hub for a program that is not a
// host. If another process holds the store, the client speaks to that process;
// otherwise the store is opened here, and what is started stays Pending until a
// host runs. A store that stays locked without a host is [client.ErrUnavailable].
// close must be called.
//
// What is changed without a host is noted in the file audit.log beside the
// store, a line of JSON each, as hosts log it.
//
// With create a hub that does not exist is created, unless a host holds the
// store; else it is [client.ErrHubNotFound], and nothing is written.
func Connect(ctx context.Context, cfg *config.Config, create bool, log *slog.Logger) (c *client.Client, close func() error, err error) {
	if !create && !storeExists(cfg.DataDir) {
		return nil, nil, fmt.Errorf("%w: %s: there is no store in %s", client.ErrHubNotFound, cfg.HubName, cfg.DataDir)
	}
	db, err := openStore(ctx, cfg.DataDir, log)
	var locked *embedded.LockedError
	if errors.As(err, &locked) {
		if ep, ok := findEndpoint(cfg.DataDir, locked.PID); ok {
			return client.Remote(ep.URL, client.RemoteOptions{Key: ep.Key, TaskHub: cfg.HubName}), func() error { return nil }, nil
		}
		err = fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := db.Hub(cfg.HubName, embedded.HubOptions{Partitions: cfg.Partitions, Create: create})
	if err != nil {
		if errors.Is(err, embedded.ErrHubNotFound) {
			err = fmt.Errorf("%w: %s is not in the store in %s", client.ErrHubNotFound, cfg.HubName, cfg.DataDir)
		}
		return nil, nil, errors.Join(err, db.Close())
	}
	hubs := newHubs(db, cfg, engine.Options{Logger: log, MaxBacklogBytes: cfg.MaxBacklogBytes, DefaultVersion: cfg.DefaultVersion})
	r, err := hubs.run(store, nil)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	journal := &auditFile{path: filepath.Join(cfg.DataDir, "audit.log")}
	r.log = slog.New(slog.NewJSONHandler(journal, nil))
	close = func() error {
		// What a purge left is given back now: this process does not stay to do it.
		return errors.Join(hubs.stop(), db.Reclaim(context.WithoutCancel(ctx)), db.Close(), journal.Close())
	}
	return client.Local(r.forProgram(byCommandLine)), close, nil
}

// storeExists reports whether a store was ever opened in dir: opening would
// create one.
func storeExists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "FORMAT"))
	return !errors.Is(err, os.ErrNotExist)
}
