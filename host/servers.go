package host

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/hubs"
)

// servers are the ways into a host, being served.
type servers struct {
	all         []*http.Server
	connections *connections
	log         *slog.Logger
	failed      chan error // what went wrong with one, or http.ErrServerClosed
	closing     atomic.Bool
}

func newServers(log *slog.Logger) *servers {
	return &servers{connections: newConnections(connectionLimit(), log), log: log, failed: make(chan error, 4)}
}

// serveAll serves the API, with what is open to all around it and by TLS if
// there are certificates, and for worker processes, if they have a way in, what
// rpc says.
func (s *servers) serveAll(in listeners, api *httpapi.Handler, open http.Handler, rpc httpapi.Options, secure *certificates) {
	if in.api != nil {
		s.serve(in.api, open, secure)
	}
	if in.rpc != nil {
		s.serve(in.rpc, httpapi.New(rpc), nil)
	}
	if in.socket != nil {
		s.serve(in.socket, hubs.ThroughSocket(api), nil)
	}
	if in.local != nil {
		s.serve(in.local, api, nil)
	}
}

func (s *servers) serve(l net.Listener, h http.Handler, secure *certificates) {
	server := httpapi.NewServer(h)
	if _, socket := l.Addr().(*net.UnixAddr); !socket { // the command line gets through a flood
		s.connections.watch(server)
	}
	server.ErrorLog = log.New(serverLog{s.log}, "", 0)
	secure.use(server)
	s.all = append(s.all, server)
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	go func() { s.failed <- serve(l) }() // ended by shutdown; the channel has room for all
}

// untilShutdown is h for servers that are not shut down here.
func (s *servers) untilShutdown(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.closing.Load() {
			httpapi.WriteError(w, fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// shutdown takes no more requests and closes down when all are answered, which
// ctx bounds.
func (s *servers) shutdown(ctx context.Context) (down <-chan struct{}) {
	s.closing.Store(true)
	var closing sync.WaitGroup
	for _, server := range s.all {
		closing.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	ended := make(chan struct{})
	go func() { // ends with the servers
		closing.Wait()
		close(ended)
	}()
	return ended
}
