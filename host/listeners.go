package host

import (
	"errors"
	"log/slog"
	"net"

	"github.com/perdure/perdure/internal/config"
)

// listeners are the ways into a host.
type listeners struct {
	api net.Listener // nil: the program serves the handler
	rpc net.Listener // of worker processes; nil: it is not asked for

	// Of the command line: the socket; where the system has none and api asks
	// for TLS, which has names of its own, or is not there, a loopback address
	// beside it; nil and nil: it comes in by api.
	socket     net.Listener
	socketName string // as the endpoint has it
	local      net.Listener
}

// listen opens all ways, or none.
func listen(at address, cfg *config.Config, log *slog.Logger) (l listeners, err error) {
	if err := removeStale(cfg.DataDir); err != nil {
		return l, err
	}
	if !at.none {
		if l.api, err = at.listen(); err != nil {
			return l, err
		}
	}
	if cfg.LocalRPC {
		if l.rpc, err = listenRPC(); err != nil {
			return l, errors.Join(err, l.close())
		}
	}
	l.socket, l.socketName = listenSocket(cfg.DataDir, cfg.RuntimeDir, log)
	if l.socket == nil && (at.tls || at.none) {
		if l.local, err = loopbackAt(0).listen(); err != nil {
			return l, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// apiURL is how this machine reaches api; empty: there is none.
func (l listeners) apiURL(at address) string {
	if l.api == nil {
		return ""
	}
	return at.url(l.api.Addr())
}

// localURL is where the command line comes in by local; empty: it does not.
func (l listeners) localURL() string {
	if l.local == nil {
		return ""
	}
	return loopbackAt(0).url(l.local.Addr())
}

func (l listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.api, l.rpc, l.socket, l.local} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}
