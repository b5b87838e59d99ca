package host

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/store/embedded"
)

// Hubs returns the names of the hubs in the configured store, sorted. While another
// process has the store open, that is the configured one only.
func Hubs(ctx context.Context, cfg *config.Config) ([]string, error) {
	if !StoreExists(cfg) {
		return nil, nil
	}
	db, err := openStore(ctx, cfg.DataDir, lockPatience, slog.New(slog.DiscardHandler))
	if _, locked := errors.AsType[*embedded.LockedError](err); locked {
		return []string{cfg.HubName}, nil
	}
	if err != nil {
		return nil, err
	}
	hubs := db.Hubs()
	slices.Sort(hubs)
	return hubs, db.Close()
}
