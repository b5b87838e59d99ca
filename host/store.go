package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/perdure/perdure/internal/store/embedded"
)

// How long others are waited for that have the store open.
const (
	lockPatience  = 5 * time.Second  // a command, or a host that comes or goes
	dyingPatience = 30 * time.Second // a host that does not answer, and is perhaps being killed
	lockPause     = 50 * time.Millisecond
)

// openStore opens the store in dir. A process without an endpoint is a command,
// or a host that comes or goes, and soon done with the store: it is waited for. So is one
// that does not answer at its endpoint, for dying: after a kill -9 the lock is held until the
// system has taken back the memory.
func openStore(ctx context.Context, dir string, dying time.Duration, log *slog.Logger) (*embedded.DB, error) {
	return openStoreWith(ctx, dir, dying, embedded.Options{Logger: log})
}

func openStoreWith(ctx context.Context, dir string, dying time.Duration, o embedded.Options) (*embedded.DB, error) {
	o.OpenFiles = tableLimit()
	began := time.Now()
	for {
		db, err := embedded.Open(dir, o)
		var locked *embedded.LockedError
		if !errors.As(err, &locked) {
			return db, err
		}
		patience := lockPatience
		ep, found, broken := findEndpoint(dir, locked.PID)
		if found {
			if ep.answers(ctx) {
				return nil, err
			}
			patience = dying
			err = fmt.Errorf("%w; it does not answer", err)
		}
		if broken != nil || time.Since(began) > patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}
