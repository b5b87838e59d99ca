package host

import (
	"errors"
	"log/slog"
	"net"

	"github.com/perdure/perdure/config"
)

// listeners are the ways into a host.
type listeners struct {
	api net.Listener
	rpc net.Listener // of worker processes; nil: it is not asked for

	// Of the command line: the socket; nil: the system has none, and it comes in by api.
	socket     net.Listener
	socketName string // as the endpoint has it
}

// listen opens all ways, or none.
func listen(at address, cfg *config.Config, log *slog.Logger) (l listeners, err error) {
	if err := removeStale(cfg.DataDir); err != nil {
		return l, err
	}
	if l.api, err = at.listen(); err != nil {
		return l, err
	}
	if cfg.LocalRPC {
		if l.rpc, err = listenRPC(); err != nil {
			return l, errors.Join(err, l.close())
		}
	}
	l.socket, l.socketName = listenSocket(cfg.DataDir, cfg.RuntimeDir, log)
	return l, nil
}

func (l listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.api, l.rpc, l.socket} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}
