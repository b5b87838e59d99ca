package host

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/hubs"
)

// testConn returns both ends of a connection.
func testConn(t *testing.T) (theirs, ours net.Conn) {
	t.Helper()
	theirs, ours = net.Pipe()
	t.Cleanup(func() { theirs.Close(); ours.Close() })
	return theirs, ours
}

func isClosed(c net.Conn) bool {
	_, err := c.Write([]byte("x")) // nobody reads: only a closed pipe returns
	return err != nil
}

// Whoever waited longest for a request makes way; whoever is busy does not.
func TestConnectionsThatWaitMakeWay(t *testing.T) {
	c := newConnections(3, slog.New(slog.DiscardHandler))
	var ends []net.Conn
	for range 4 {
		theirs, _ := testConn(t)
		ends = append(ends, theirs)
	}
	c.changed(ends[0], http.StateNew)
	c.changed(ends[0], http.StateActive)
	c.changed(ends[1], http.StateNew)
	c.changed(ends[2], http.StateNew)
	c.changed(ends[2], http.StateActive)
	c.changed(ends[2], http.StateIdle)
	c.changed(ends[3], http.StateNew)
	if !isClosed(ends[1]) {
		t.Error("the connection that waited longest is open")
	}
	c.changed(ends[1], http.StateClosed)
	if len(c.open) != 3 || c.waiting.Len() != 2 {
		t.Errorf("%d are open and %d wait, want 3 and 2", len(c.open), c.waiting.Len())
	}
	for _, end := range []net.Conn{ends[0], ends[2], ends[3]} {
		c.changed(end, http.StateClosed)
	}
	if len(c.open) != 0 || c.waiting.Len() != 0 {
		t.Errorf("at the end %d are open and %d wait", len(c.open), c.waiting.Len())
	}
}

func TestAConnectionTooManyIsToldSo(t *testing.T) {
	var log bytes.Buffer
	c := newConnections(1, slog.New(slog.NewTextHandler(&log, nil)))
	busy, _ := testConn(t)
	c.changed(busy, http.StateNew)
	c.changed(busy, http.StateActive)
	theirs, ours := testConn(t)
	answer := make(chan string)
	go func() { // received below
		text, _ := io.ReadAll(ours)
		answer <- string(text)
	}()
	c.changed(theirs, http.StateNew)
	got := <-answer
	for _, part := range []string{"HTTP/1.1 503 ", "Retry-After: 1", "text/plain", "all connections of this server are busy"} {
		if !strings.Contains(got, part) {
			t.Errorf("the answer %q does not hold %q", got, part)
		}
	}
	if len(c.open) != 1 || !strings.Contains(log.String(), "a connection is refused") {
		t.Errorf("%d are open, log %q", len(c.open), &log)
	}
}

// When all connections are busy, the command line gets through all the same.
func TestTheSocketGetsThroughAFlood(t *testing.T) {
	s := newServers(slog.New(slog.DiscardHandler))
	s.connections.most = 1
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip("there is no socket here:", err)
	}
	busy, done := make(chan struct{}), make(chan struct{})
	s.serve(tcp, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(busy); <-done }), nil)
	s.serve(unix, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	ended := make(chan error, 1)
	get := func(l net.Listener) (code int, err error) {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, l.Addr().Network(), l.Addr().String())
		}}}
		res, err := c.Get("http://localhost")
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	go func() { // received below
		_, err := get(tcp)
		ended <- err
	}()
	<-busy
	if code, _ := get(tcp); code == http.StatusOK {
		t.Error("one connection too many was served")
	}
	if code, err := get(unix); code != http.StatusOK {
		t.Errorf("through the socket: %d, %v; want 200", code, err)
	}
	close(done)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-s.shutdown(t.Context())
}

func TestConnectionsLeaveFilesToTheStore(t *testing.T) {
	files, ok := hubs.MaxFiles()
	if got := connectionLimit(); got < 1 || got > maxConnections || ok && uint64(got) > max(1, files/2) {
		t.Errorf("connectionLimit = %d of %d files", got, files)
	}
}
