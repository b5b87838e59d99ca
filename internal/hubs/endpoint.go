package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/private"
)

// Endpoint is what a host leaves beside its store, readable by its owner only,
// so that the command line finds the process that holds the store.
type Endpoint struct {
	URL    string `json:"url"`              // of the API; links begin with it
	Socket string `json:"socket,omitempty"` // where the command line comes in, relative to the folder or absolute; empty: where the system has none
	Local  string `json:"local,omitempty"`  // address for the command line then; empty: URL
	PID    int    `json:"pid"`              // the same as in the store's lock: else the file is a stale one
	Hub    string `json:"taskHub"`          // whose functions run there; clients reach the others by the same address; empty: an older build does not say
	Key    string `json:"key"`              // opens everything; another one after each start
}

// EndpointPath returns where a host tells how it is reached.
func EndpointPath(dataDir string) string { return filepath.Join(dataDir, "endpoint") }

// Write leaves the endpoint in dataDir; remove takes it away again.
func (ep Endpoint) Write(dataDir string) (remove func(), err error) {
	text, err := json.Marshal(ep)
	if err != nil {
		return nil, err
	}
	path := EndpointPath(dataDir)
	if err := private.Write(path, text); err != nil {
		return nil, fmt.Errorf("write endpoint: %w", err)
	}
	return func() { os.Remove(path) }, nil // one that stays is recognised as stale
}

// findEndpoint returns the endpoint that process pid left in dataDir, its
// socket as an absolute path. One that another user could have written, or that
// leads to another machine, is an error: payloads would go there.
func findEndpoint(dataDir string, pid int) (ep Endpoint, found bool, err error) {
	ep, err = ReadEndpoint(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Endpoint{}, false, nil
	case err != nil:
		return Endpoint{}, false, err
	}
	return ep, ep.PID == pid, nil
}

// ReadEndpoint reads what a host has written, or says what is wrong with it.
func ReadEndpoint(dataDir string) (Endpoint, error) {
	path := EndpointPath(dataDir)
	text, err := private.ReadSecret(path)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint of the running app: %w", err)
	}
	var ep Endpoint
	if json.Unmarshal(text, &ep) != nil || ep.URL == "" { // its error might show a part of the key
		return Endpoint{}, fmt.Errorf("endpoint of the running app: %s is damaged; the app writes it anew when it starts again", path)
	}
	if ep.Socket != "" && !filepath.IsAbs(ep.Socket) {
		ep.Socket = filepath.Join(dataDir, ep.Socket)
	}
	if ep.Socket == "" && !thisMachine(ep.address()) {
		return Endpoint{}, fmt.Errorf("endpoint of the running app: %s does not lead to this machine: look who wrote it, and remove it", path)
	}
	return ep, nil
}

// address is where the command line finds the process if there is no socket.
func (ep Endpoint) address() string {
	if ep.Local != "" {
		return ep.Local
	}
	return ep.URL
}

// thisMachine reports whether a URL is of one of this machine's addresses.
func thisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	if ip == nil || ip.IsLoopback() {
		return ip != nil
	}
	ours, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(ours, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}

// client speaks to the process about a hub.
func (ep Endpoint) client(hub string) *client.Client {
	if ep.Socket != "" { // it knows who comes, so the key stays here
		return client.Remote(ep.URL, client.RemoteOptions{Socket: ep.Socket, TaskHub: hub})
	}
	return client.Remote(ep.address(), client.RemoteOptions{Key: ep.Key, TaskHub: hub})
}

// answerTime is how long a process may take to say that it is there.
const answerTime = time.Second

// answers reports whether the process says anything. Others can still connect
// to one that was killed while the system takes its memory away, but it does
// not answer.
func (ep Endpoint) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	conn, err := ep.dial(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() // ends what waits below
	if _, err = io.WriteString(conn, "HEAD / HTTP/1.0\r\n\r\n"); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	return err == nil
}

// transport connects to the process, whatever the address of a request.
func (ep Endpoint) transport() *http.Transport {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return ep.dial(ctx) }
	return &http.Transport{DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true}
}

func (ep Endpoint) dial(ctx context.Context) (net.Conn, error) {
	if ep.Socket != "" {
		return private.Dial(ctx, ep.Socket)
	}
	u, err := url.Parse(ep.address())
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "tcp", u.Host)
}
