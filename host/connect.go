package host

import (
	"context"
	"log/slog"
	"os"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
)

// ErrNoStore says that no store was ever made in the configured folder, and so
// no hub.
var ErrNoStore = hubs.ErrNoStore

// Connection is the hub of a program that is not its host. It is safe for
// concurrent use until it is closed.
type Connection struct {
	*client.Client
	// Served reports whether an app runs whose hub this is. If not, what is
	// started, raised or asked for is stored, and happens once one runs.
	Served bool

	close func() error
}

// Close lets go of the store. It must be called once.
func (c *Connection) Close() error { return c.close() }

// ConnectOptions say which hub a program connects to. The zero value is the hub
// that an app in the working directory serves.
type ConnectOptions struct {
	Dir     string   // where host.json is looked for, upwards; empty: the working directory
	Environ []string // as of os.Environ; nil: the process's
	DataDir string   // folder of the store; empty: .perdure beside host.json
	TaskHub string   // empty: as configured
	// Create makes a store and a hub that do not exist, unless a host holds the
	// store. Without it that is [client.ErrHubNotFound], and [ErrNoStore] as
	// well if there is not even a store, and nothing is written.
	Create bool
	Logger *slog.Logger // nil: silent
}

// Connect reaches a hub from a program that is not its host. If another process
// holds the store, the client speaks to that process; otherwise the store is
// opened here, where no app can use it until the connection is closed. A store
// that stays locked without a host is [client.ErrUnavailable].
//
// What is changed without a host is noted in the same audit as what a host
// does.
func Connect(ctx context.Context, o ConnectOptions) (*Connection, error) {
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	cfg, err := config.Load(config.Source{Dir: o.Dir, Environ: environ, DataDir: o.DataDir, TaskHub: o.TaskHub})
	if err != nil {
		return nil, err
	}
	c, err := hubs.Connect(ctx, cfg, o.Create, o.Logger)
	if err != nil {
		return nil, err
	}
	return &Connection{c.Client, c.Served, c.Close}, nil
}
