package host

import (
	"container/list"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/hubs"
)

// maxConnections is how many connections there are at most, whatever the system
// allows: each costs some 20 KiB, and what its request brings.
const maxConnections = 4096

// connections bounds those of all servers of a host but its socket's, so that
// the store keeps the files that it needs. One that waits for a request, or has
// sent only a part of its first one, makes way for one that comes: whoever
// waited longest goes. When all are busy, whoever comes is refused.
type connections struct {
	most int
	log  *slog.Logger

	mu      sync.Mutex                 // guards the rest
	open    map[net.Conn]*list.Element // nil: it is busy
	waiting list.List                  // of net.Conn, that which waits longest in front
}

func newConnections(most int, log *slog.Logger) *connections {
	return &connections{most: most, log: log, open: make(map[net.Conn]*list.Element)}
}

// connectionLimit leaves half of the descriptors to the store. Go has raised
// the soft limit to the hard one.
func connectionLimit() int {
	files, ok := hubs.MaxFiles()
	if !ok {
		return maxConnections
	}
	return int(max(1, min(maxConnections, files/2)))
}

// watch makes server count its connections here. Those that a handler takes
// over are its own from then on.
func (c *connections) watch(server *http.Server) { server.ConnState = c.changed }

func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.come(conn)
	case http.StateActive:
		c.busy(conn)
	case http.StateIdle:
		c.rest(conn)
	case http.StateClosed, http.StateHijacked:
		c.leave(conn)
	}
}

func (c *connections) come(conn net.Conn) {
	c.mu.Lock()
	var goes net.Conn
	if len(c.open) >= c.most {
		goes = conn
		if first := c.waiting.Front(); first != nil {
			goes = first.Value.(net.Conn)
			c.forget(goes)
		}
	}
	if goes != conn {
		c.open[conn] = c.waiting.PushBack(conn)
	}
	c.mu.Unlock()
	switch goes {
	case nil:
	case conn:
		c.log.Warn("a connection is refused: all are busy", "connections", c.most)
		refuseConnection(conn)
	default:
		closeNow(goes)
	}
}

func (c *connections) busy(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.open[conn]; at != nil {
		c.waiting.Remove(at)
		c.open[conn] = nil
	}
}

func (c *connections) rest(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.open[conn]; ok && at == nil {
		c.open[conn] = c.waiting.PushBack(conn)
	}
}

func (c *connections) leave(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(conn)
}

// forget is leave. mu is held.
func (c *connections) forget(conn net.Conn) {
	if at := c.open[conn]; at != nil {
		c.waiting.Remove(at)
	}
	delete(c.open, conn)
}

const noConnection = "all connections of this server are busy; try again in a moment\n"

// refuseConnection answers whoever was let in last. Nobody may be kept waiting
// for it: what does not fit into the buffer of the connection is not sent.
func refuseConnection(conn net.Conn) {
	if secured(conn) == nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n", len(noConnection))
		io.WriteString(conn, noConnection)
	}
	closeNow(conn)
}

// closeNow closes without a farewell, which TLS might have to wait for.
func closeNow(conn net.Conn) {
	if below := secured(conn); below != nil {
		conn = below
	}
	conn.Close()
}

// secured returns the connection below one with TLS; nil if it has none.
func secured(conn net.Conn) net.Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return nil
}
