package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/perdure/perdure/bench/peers/peer"
)

// configuration of the server; the addresses are filled in. What is not named
// here is at its default.
//
// An invocation is acknowledged when it is in the replicated log, which on a
// single node is the log server's: a RocksDB whose write-ahead log is synced at
// every batch unless rocksdb-disable-wal-fsync is true. The worker's own store is
// rebuilt from that log and needs no sync.
const configuration = `
cluster-name = "peer"
node-name = "peer"
listen-mode = "tcp"
bind-address = "%s"
disable-telemetry = true
disable-prometheus = true
log-filter = "warn"
log-disable-ansi-codes = true
default-num-partitions = %d

[bifrost]
default-provider = "replicated"

[log-server]
rocksdb-disable-wal-fsync = false

[worker.invoker]
concurrent-invocations-limit = 10000

[ingress]
bind-address = "%s"

[admin]
bind-address = "%s"
disable-web-ui = true
`

// partitions is the number of partitions. The default, 24, is meant for a cluster;
// on two cores, of 1, 2, 4 and 24, one took the least CPU time and was the fastest.
const partitions = 1

// node is a Restate server: a cluster of one, on loopback.
type node struct {
	server         *peer.Server
	ingress, admin string // base URLs
	about          peer.About
}

// startNode starts a server that keeps its state in dir.
func startNode(ctx context.Context, binary, dir string) (*node, error) {
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	fabric, in, admin := addresses[0], addresses[1], addresses[2]
	file := filepath.Join(dir, "restate.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, fabric, partitions, in, admin), 0o600); err != nil {
		return nil, err
	}
	about, err := describe(ctx, binary, file)
	if err != nil {
		return nil, err
	}
	command := exec.Command(binary, "--no-logo", "--config-file", file, "--base-dir", filepath.Join(dir, "data"))
	command.Dir, command.Env = dir, environment(dir)
	server, err := peer.StartServer(command, filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	n := &node{server: server, ingress: "http://" + in, admin: "http://" + admin, about: about}
	if err := server.WaitUntil(ctx, func() error { return n.healthy(ctx) }); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

// stop kills the server: asked to end it would drain its queues for up to a
// minute, into a store that nobody needs any more.
func (n *node) stop() error { return n.server.Stop(os.Kill) }

// describe asks the server's program what it takes from its configuration.
func describe(ctx context.Context, binary, file string) (about peer.About, err error) {
	version, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return about, fmt.Errorf("%s --version: %w", binary, err)
	}
	dump := exec.CommandContext(ctx, binary, "--config-file", file, "--dump-config")
	dump.Env = environment(filepath.Dir(file))
	text, err := dump.Output()
	if err != nil {
		return about, fmt.Errorf("%s --dump-config: %w", binary, err)
	}
	_, logServer, _ := strings.Cut(string(text), "\n[log-server]\n")
	logServer, _, _ = strings.Cut(logServer, "\n[")
	const synced = "rocksdb-disable-wal-fsync = false"
	if !strings.Contains(logServer, synced) || !strings.Contains(string(text), "default-provider = \"replicated\"") {
		return about, fmt.Errorf("configuration of Restate does not say %s for the log server:\n%s", synced, text)
	}
	return peer.About{
		Version:    strings.TrimSpace(string(version)) + ", sdk-go " + peer.ModuleVersion("github.com/restatedev/sdk-go"),
		Durability: "replicated log of one node, log-server." + synced,
		Tuning:     fmt.Sprintf("up to 10,000 invocations at a time instead of 1,000; %d partition instead of 24; no web UI, telemetry, Prometheus", partitions),
	}, nil
}

// environment keeps variables that would change the configuration from the server.
func environment(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
}

// healthy asks the ingress and the admin interface.
func (n *node) healthy(ctx context.Context) error {
	if err := call(ctx, http.MethodGet, n.ingress+"/restate/health", nil); err != nil {
		return err
	}
	return call(ctx, http.MethodGet, n.admin+"/health", nil)
}

// register tells the server where handlers are. The server asks them at once what
// there is, so it is told again until they answer.
func (n *node) register(ctx context.Context, uri string) error {
	return n.server.WaitUntil(ctx, func() error {
		return call(ctx, http.MethodPost, n.admin+"/deployments", map[string]any{"uri": uri, "force": true})
	})
}

// call sends body as JSON and expects a status of success.
func call(ctx context.Context, method, url string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, answer)
	}
	return err
}

// freeAddress returns an address of loopback where nobody listened just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
