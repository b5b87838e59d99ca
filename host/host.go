// Package host runs function apps: it puts configuration, store, engine and
// HTTP API together for an App. It is the only room that knows them all.
//
//	validate the app -> load the configuration -> open store and hub
//	  -> listen -> run engine and HTTP server -> leave the endpoint -> ready
//
// It ends in reverse order: what can be reached from outside goes first, the
// store last. A crash anywhere leaves nothing that the next start must repair:
// the lock of the store is the operating system's, and an endpoint whose process does
// not hold that lock counts for nothing.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/httpapi"
	"github.com/perdure/perdure/internal/worker"
	"github.com/perdure/perdure/store/embedded"
)

// Ports that [Options] can ask for besides a number.
const (
	FreePort       = 0
	ConfiguredPort = -1 // local.settings.json Host.LocalHttpPort, else DefaultPort
	DefaultPort    = 7071
)

// Options of [Run]. The zero value serves the app in the working directory on a
// free port.
type Options struct {
	Dir     string   // where host.json is looked for, upwards; empty: the working directory
	Environ []string // as of os.Environ; nil: the process's

	DataDir string // folder of the store; empty: .perdure beside host.json
	Address string // loopback address to listen on; empty: local.settings.json Host.LocalHttpAddress, else 127.0.0.1
	Port    int    // see FreePort and ConfiguredPort

	DrainTimeout time.Duration // how long what runs may take to finish when ctx ends; 0: 10 s
	Logger       *slog.Logger  // nil: silent
	Stdout       io.Writer     // where functions and addresses are listed; nil: nowhere

	// OnReady is called in a goroutine of its own once the app can be used. ctx
	// ends when the host stops, which waits for it. An error stops the host and
	// becomes Run's.
	OnReady func(ctx context.Context, info Info) error
}

// Info tells how a running app is reached.
type Info struct {
	URL     string // of the HTTP server, without a path
	TaskHub string
	Client  *client.Client // of the app's hub, in this process
}

// Run serves app until ctx ends and everything is stored. Mistakes in the app,
// the configuration or the options, a store that another process has open and
// an address that is taken are errors before anything runs.
func Run(ctx context.Context, app *perdure.App, o Options) error {
	if err := app.Validate(); err != nil {
		return err
	}
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	cfg, err := config.Load(config.Source{Dir: o.Dir, Environ: environ, DataDir: o.DataDir})
	if err != nil {
		return err
	}
	logConfig(log, cfg)
	address, err := listenAddress(o, cfg)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, cfg.DataDir, log)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, app, o, cfg, db, address, log), db.Close())
}

func logConfig(log *slog.Logger, cfg *config.Config) {
	for _, warning := range cfg.Warnings {
		log.Warn("configuration", "warning", warning)
	}
	for _, s := range cfg.Settings {
		log.Debug("setting", "key", s.Key, "value", s.Value, "source", s.Source)
	}
	for _, key := range cfg.Unused {
		log.Debug("setting is ignored", "key", key)
	}
}

// serve runs app on an open store.
func serve(ctx context.Context, app *perdure.App, o Options, cfg *config.Config, db *embedded.DB, address string, log *slog.Logger) error {
	store, err := db.Hub(cfg.HubName, embedded.HubOptions{Partitions: cfg.Partitions, Create: true})
	if err != nil {
		return err
	}
	exec, err := worker.New(app, worker.Options{Logger: log, MaxActions: cfg.MaxActions})
	if err != nil {
		return err
	}
	defer exec.Close()
	listener, err := listen(address)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()

	hubs := newHubs(db, cfg, engineOptions(cfg, o, log))
	own := hubs.run(store, exec)
	server := httpapi.NewServer(httpapi.New(httpapi.Options{
		Hub: own.hub, TaskHub: store.Name(), Find: hubs.find, Loopback: true, Logger: log,
	}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // ended by Shutdown or Close, awaited below

	info := Info{URL: url, TaskHub: store.Name(), Client: client.Local(forClient(own.hub, cfg))}
	removeEndpoint, err := writeEndpoint(cfg.DataDir, url)
	if err == nil {
		announce(o.Stdout, app, info)
		err = untilStopped(ctx, o, info, own.ended, served)
		removeEndpoint()
	}
	// Requests that wait for an instance end when the engines do, so the server
	// stops taking new ones first and is awaited last.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout(o)+time.Second)
	defer cancel()
	down := make(chan struct{})
	go func() { // awaited below
		defer close(down)
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	}()
	err = errors.Join(err, hubs.stop())
	<-down
	return err
}

func drainTimeout(o Options) time.Duration { return cmp.Or(o.DrainTimeout, 10*time.Second) }

func engineOptions(cfg *config.Config, o Options, log *slog.Logger) engine.Options {
	return engine.Options{
		Logger: log, MaxActivities: cfg.MaxActivities, MaxOrchestrators: cfg.MaxOrchestrations,
		DrainTimeout: drainTimeout(o), DefaultVersion: cfg.DefaultVersion,
	}
}

// untilStopped calls OnReady and returns when ctx ends, or with what went wrong.
func untilStopped(ctx context.Context, o Options, info Info, engineEnded, served <-chan error) error {
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan error, 1)
	if o.OnReady != nil {
		go func() { ready <- o.OnReady(ctx, info) }() // awaited by the deferred receive, ended by ctx
	} else {
		ready <- nil
	}
	done := false
	defer func() {
		cancel()
		if !done {
			<-ready
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ready:
			done = true
			if err != nil && ctx.Err() == nil {
				return err
			}
			ready = nil // nothing more comes; wait for the other reasons
		case err := <-engineEnded:
			return fmt.Errorf("task hub %s: %w", info.TaskHub, err)
		case err := <-served:
			return fmt.Errorf("http server: %w", err)
		}
	}
}

// listenAddress checks that only this machine will be able to connect.
func listenAddress(o Options, cfg *config.Config) (string, error) {
	address := cmp.Or(o.Address, cfg.LocalHTTPAddress, "127.0.0.1")
	ip := net.ParseIP(address)
	if address != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("address %s: the HTTP API has no keys yet, so it is served on this machine only; use 127.0.0.1, ::1 or localhost", address)
	}
	port := o.Port
	if port == ConfiguredPort {
		port = cmp.Or(cfg.LocalHTTPPort, DefaultPort)
	}
	if port < 0 || port > 65535 {
		return "", fmt.Errorf("port %d is not between 0 and 65535", port)
	}
	return net.JoinHostPort(address, strconv.Itoa(port)), nil
}

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case addressInUse(err):
		return nil, fmt.Errorf("%s is in use by another program: stop it, or choose another port with --port (0 takes a free one)", address)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("no permission to listen on %s: choose a port above 1023 with --port", address)
	}
	return nil, fmt.Errorf("listen on %s: %w", address, err)
}
