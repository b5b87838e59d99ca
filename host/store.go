package host

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/perdure/perdure/store/embedded"
)

// How long a command of the command line may hold a store.
const (
	lockPatience = 5 * time.Second
	lockPause    = 50 * time.Millisecond
)

// openStore opens the store in dir. A process without an endpoint is a command,
// or a host that comes or goes, and soon done with the store: it is waited for.
func openStore(ctx context.Context, dir string, log *slog.Logger) (*embedded.DB, error) {
	giveUp := time.Now().Add(lockPatience)
	for {
		db, err := embedded.Open(dir, embedded.Options{Logger: log})
		var locked *embedded.LockedError
		if !errors.As(err, &locked) {
			return db, err
		}
		if _, ok := findEndpoint(dir, locked.PID); ok || time.Now().After(giveUp) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}
