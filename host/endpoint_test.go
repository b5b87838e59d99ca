//go:build unix

package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/store/embedded"
)

// hasSockets reports whether the system tells who connects to a socket.
func hasSockets(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "freebsd" {
		t.Skip("there is no socket here")
	}
}

// endpointOf is what an endpoint file holds.
type endpointOf map[string]any

func readEndpoint(t *testing.T, dataDir string) endpointOf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir, "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	var ep endpointOf
	if err := json.Unmarshal(text, &ep); err != nil {
		t.Fatal(err)
	}
	return ep
}

func (ep endpointOf) write(t *testing.T, dataDir string) {
	t.Helper()
	text, err := json.Marshal(ep)
	if err == nil {
		err = os.WriteFile(filepath.Join(dataDir, "endpoint"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shortDir is a folder whose path leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestTheCommandLineComesThroughTheSocket(t *testing.T) {
	hasSockets(t)
	for name, below := range map[string]string{"short": "", "a path that is too long for a socket": strings.Repeat("long/", 30)} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			dataDir := filepath.Join(dir, below, ".perdure")
			r := start(t, dir, host.Options{DataDir: dataDir})
			ep := readEndpoint(t, dataDir)
			socket, _ := ep["socket"].(string)
			if below == "" && socket != "socket" || below != "" && !filepath.IsAbs(socket) {
				t.Errorf("endpoint has socket %q", socket)
			}
			if !filepath.IsAbs(socket) {
				socket = filepath.Join(dataDir, socket)
			} else if info, err := os.Lstat(filepath.Dir(socket)); err != nil || info.Mode() != os.ModeDir|0o700 {
				t.Errorf("folder of the socket: %v, %v; want mode 0700", info.Mode(), err)
			}
			if info, err := os.Lstat(socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Errorf("socket: %v, %v; want mode 0600", info.Mode(), err)
			}
			ep["key"], ep["url"] = "none", "http://127.0.0.1:1" // neither is of use then
			ep.write(t, dataDir)
			c := connectTo(t, dir, dataDir)
			if err := c.DeleteHub(t.Context(), client.DeleteHubOptions{Force: true}); err != nil {
				t.Errorf("DeleteHub through the socket error: %v", err)
			}
			byHand := client.Remote("http://localhost", client.RemoteOptions{Socket: socket})
			if _, err := byHand.Start(t.Context(), "Echo", 1, client.StartOptions{}); err != nil {
				t.Errorf("Start through the socket error: %v", err)
			}
			r.stop(t)
			for _, gone := range []string{socket, filepath.Join(dataDir, "endpoint")} {
				if _, err := os.Lstat(gone); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s after the end: %v", gone, err)
				}
			}
			if parent := filepath.Dir(socket); parent != dataDir {
				if _, err := os.Lstat(parent); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("folder of the socket after the end: %v", err)
				}
			}
		})
	}
}

func loadConfig(t *testing.T, dir, dataDir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Source{Dir: dir, DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// connectTo is the command line on a data folder.
func connectTo(t *testing.T, dir, dataDir string) *hubs.Connection {
	t.Helper()
	c, err := hubs.Connect(t.Context(), loadConfig(t, dir, dataDir), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestWhatADeadHostLeftIsRemoved(t *testing.T) {
	hasSockets(t)
	dir := shortDir(t)
	dataDir := filepath.Join(dir, ".perdure")
	start(t, dir, host.Options{}).stop(t)
	listen := func(path string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		return l
	}
	for _, alive := range []bool{false, true} {
		elsewhere, err := os.MkdirTemp("", "perdure-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(elsewhere)
		socket := filepath.Join(elsewhere, "socket")
		far := listen(socket)
		defer far.Close()
		if !alive {
			far.Close()
		}
		listen(filepath.Join(dataDir, "socket")).Close()
		endpointOf{"url": "http://127.0.0.1:1", "socket": socket, "pid": os.Getpid(), "key": "x"}.write(t, dataDir)
		r := start(t, dir, host.Options{})
		if ep := readEndpoint(t, dataDir); ep["socket"] != "socket" {
			t.Errorf("endpoint has socket %v, want a new one in the folder", ep["socket"])
		}
		if _, err := os.Lstat(elsewhere); alive != (err == nil) {
			t.Errorf("folder of the old socket, which answers: %v: %v", alive, err)
		}
		r.stop(t)
	}
	for _, what := range []string{"a link", "a file"} { // where the socket is to be
		victim := filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("victim"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dataDir, "socket")
		put := func() error { return os.WriteFile(at, nil, 0o600) }
		if what == "a link" {
			put = func() error { return os.Symlink(victim, at) }
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
		start(t, dir, host.Options{}).stop(t)
		if content, err := os.ReadFile(victim); err != nil || string(content) != "victim" {
			t.Errorf("%s where the socket is to be: the victim holds %q, %v", what, content, err)
		}
	}
}

// held returns a store that another party, not a host, has open.
func held(t *testing.T) (dir, dataDir string, release func()) {
	t.Helper()
	dir = shortDir(t)
	dataDir = filepath.Join(dir, ".perdure")
	db, err := embedded.Open(dataDir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return dir, dataDir, func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestEndpointsOfOthersAreRefused(t *testing.T) {
	dir, dataDir, release := held(t)
	defer release()
	path := filepath.Join(dataDir, "endpoint")
	put := func(url string, mode os.FileMode) {
		endpointOf{"url": url, "pid": os.Getpid(), "key": "x"}.write(t, dataDir)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	const here = "http://127.0.0.1:1"
	for name, tt := range map[string]struct {
		put  func() error
		want string
	}{
		"read by others":    {func() error { put(here, 0o644); return nil }, "can be read by others"},
		"written by others": {func() error { put(here, 0o620); return nil }, "can be written by others"},
		"link": {func() error {
			put(here, 0o600)
			return errors.Join(os.Rename(path, path+".elsewhere"), os.Symlink(path+".elsewhere", path))
		}, "is a symbolic link"},
		"of another user": {func() error {
			put(here, 0o600)
			return os.Chown(path, 54321, 54321)
		}, "belongs to user 54321"},
		"elsewhere":      {func() error { put("http://192.0.2.1:80", 0o600); return nil }, "does not lead to this machine"},
		"a name":         {func() error { put("http://evil.example", 0o600); return nil }, "does not lead to this machine"},
		"looks like it":  {func() error { put("http://127.0.0.1@192.0.2.1", 0o600); return nil }, "does not lead to this machine"},
		"damaged":        {func() error { return os.WriteFile(path, []byte(`{"url":`), 0o600) }, "is damaged"},
		"folder":         {func() error { return os.Mkdir(path, 0o700) }, "is a folder"},
		"without a host": {func() error { put("", 0o600); return nil }, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "of another user" && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			defer os.RemoveAll(path)
			if err := tt.put(); err != nil {
				t.Fatal(err)
			}
			c, err := hubs.Connect(t.Context(), loadConfig(t, dir, dataDir), false, nil)
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Connect error = %v, want ErrUnavailable that says %q", err, tt.want)
			}
		})
	}
}

// A process that was killed keeps the lock, and its endpoint takes connections, until
// the system has taken its memory back; but it does not answer.
func TestAStartWaitsForAHostThatIsDying(t *testing.T) {
	for name, network := range map[string]string{"socket": "unix", "address": "tcp"} {
		t.Run(name, func(t *testing.T) {
			if network == "unix" {
				hasSockets(t)
			}
			dir, dataDir, release := held(t)
			at := "127.0.0.1:0"
			if network == "unix" {
				at = filepath.Join(dataDir, "socket")
			}
			l, err := net.Listen(network, at)
			if err != nil {
				t.Fatal(err)
			}
			ep := endpointOf{"url": "http://127.0.0.1:1", "pid": os.Getpid(), "key": "x"}
			if network == "unix" {
				ep["socket"] = "socket"
			} else {
				ep["url"] = "http://" + l.Addr().String()
			}
			ep.write(t, dataDir)
			go func() { // ends with the listener, which is closed when it has been asked
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
				} else {
					io.ReadFull(conn, make([]byte, 1)) // the question has come
					conn.Close()
				}
				l.Close()
				release()
			}()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err = host.Run(ctx, app(), host.Options{Dir: dir, Environ: []string{}, OnReady: func(context.Context, host.Info) error { cancel(); return nil }})
			if err != nil {
				t.Errorf("Run while the old process dies error: %v", err)
			}
		})
	}
}
