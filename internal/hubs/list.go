package hubs

import (
	"context"
	"errors"

	"github.com/perdure/perdure/internal/config"
)

// Names returns the names of the hubs in the configured store, sorted. While
// another process has the store open, that is the configured one only.
func Names(ctx context.Context, cfg *config.Config) ([]string, error) {
	db, err := openExisting(ctx, cfg, Opening{})
	switch {
	case errors.Is(err, ErrNoStore):
		return nil, nil
	case isLocked(err):
		return []string{cfg.HubName}, nil
	case err != nil:
		return nil, err
	}
	hubs, err := db.Hubs(ctx)
	return hubs, errors.Join(err, db.Close())
}
