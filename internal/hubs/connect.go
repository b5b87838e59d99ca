package hubs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/store"
)

// ErrNoStore says that no store was ever made in the configured folder, and so
// no hub.
var ErrNoStore = errors.New("there is no store")

// Connection is the hub of a program that is not its host. It is safe for
// concurrent use until it is closed.
type Connection struct {
	*client.Client
	Served bool // an app runs whose hub this is

	close func() error
}

// Close lets go of the store. It must be called once.
func (c *Connection) Close() error { return c.close() }

// Connect reaches the configured hub. If another process holds the store, the
// client speaks to that process; otherwise the store is opened here, where no
// app can use it until the connection is closed. A store that stays locked
// without a host is [client.ErrUnavailable].
//
// What is changed without a host is noted in the same audit as what a host
// does.
//
// With create a store and a hub that do not exist are created, unless a host
// holds the store; else that is [client.ErrHubNotFound], and [ErrNoStore] as
// well if there is not even a store, and nothing is written.
func Connect(ctx context.Context, cfg *config.Config, create bool, log *slog.Logger) (*Connection, error) {
	open := openExisting
	if create {
		open = Open
	}
	db, err := open(ctx, cfg, Opening{Log: log})
	if isLocked(err) {
		ep, err := hostOf(cfg, err)
		if err != nil {
			return nil, err
		}
		return &Connection{
			Client: ep.client(cfg.HubName).WithLinks(client.LinkOptions{
				Base: cmp.Or(strings.TrimRight(cfg.Management.PublicURL, "/"), ep.URL) + httpapi.BasePath, TaskHub: cfg.HubName,
			}),
			Served: ep.Hub == "" || strings.EqualFold(ep.Hub, cfg.HubName), close: func() error { return nil },
		}, nil
	}
	if err != nil {
		return nil, err
	}
	kept, err := db.Hub(ctx, cfg.HubName, store.HubOptions{Partitions: cfg.Partitions, Create: create})
	if err != nil {
		if errors.Is(err, store.ErrHubNotFound) {
			err = fmt.Errorf("%w: %s is not in the store in %s", client.ErrHubNotFound, cfg.HubName, cfg.DataDir)
		}
		return nil, errors.Join(err, db.Close())
	}
	journal := OpenJournal(cfg, cmp.Or(log, slog.New(slog.DiscardHandler)))
	hubs := New(db, cfg, engine.Options{Logger: log, MaxBacklogBytes: cfg.MaxBacklogBytes, MaxDeaths: cfg.MaxDeaths, DefaultVersion: cfg.DefaultVersion}, journal)
	r, err := hubs.Run(kept, nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Connection{Client: client.Local(r.ForProgram(ByCommandLine)), close: func() error {
		// What a purge left is given back now: this process does not stay to do
		// it.
		return errors.Join(hubs.Stop(), reclaim(context.WithoutCancel(ctx), db), journal.Close(), db.Close())
	}}, nil
}

// reclaim gives back the space of what was deleted, if the store does not do
// that by itself.
func reclaim(ctx context.Context, kept store.Provider) error {
	if r, ok := kept.(interface{ Reclaim(context.Context) error }); ok {
		return r.Reclaim(ctx)
	}
	return nil
}

// hostOf returns where the host is that keeps us from the store, err being why
// we could not open it.
func hostOf(cfg *config.Config, err error) (Endpoint, error) {
	var locked *store.LockedError
	if errors.As(err, &locked) {
		ep, found, broken := findEndpoint(cfg.DataDir, locked.PID)
		if found {
			return ep, nil
		}
		if broken != nil {
			err = broken
		}
	}
	return Endpoint{}, fmt.Errorf("%w: %w", client.ErrUnavailable, err)
}
