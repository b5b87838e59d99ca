// Package host runs function apps: it puts configuration, store, engine and
// HTTP API together for an App. It is the only room that knows them all.
//
//	validate the app -> load the configuration -> open store and hub
//	  -> listen -> run engine and HTTP server -> leave the endpoint -> ready
//
// It ends in reverse order: what can be reached from outside goes first, the
// store last. A crash anywhere leaves nothing that the next start must repair:
// the lock of the store is the operating system's, and an endpoint whose
// process does not hold that lock counts for nothing.
package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/store"
)

// Ports that [Options] can ask for besides a number.
const (
	FreePort       = 0
	ConfiguredPort = -1 // local.settings.json Host.LocalHttpPort, else DefaultPort
	DefaultPort    = 7071
	// NoPort opens none: the program serves [Info.Handler] on a server of its
	// own, or nobody but it and the command line of this machine gets at the
	// hub.
	NoPort = -2
)

// Options of [Run]. The zero value serves the app in the working directory on a
// free port.
type Options struct {
	Dir     string   // where host.json is looked for, upwards; empty: the working directory
	Environ []string // as of os.Environ; nil: the process's

	DataDir string // folder of the store; empty: .perdure beside host.json
	Address string // IP address to listen on, or localhost; empty: local.settings.json Host.LocalHttpAddress, else 127.0.0.1
	Port    int    // see FreePort and ConfiguredPort
	// PlainHTTP lets an address that others than this machine can reach go
	// without TLS: something in front of it encrypts. It is
	// management.allowPlainHttp besides.
	PlainHTTP bool

	HTTP   []HTTPFunction
	Timers []TickFunction

	DrainTimeout time.Duration // how long what runs may take to finish when ctx ends; 0: 10 s
	Logger       *slog.Logger  // nil: silent
	Stdout       io.Writer     // where functions and addresses are listed; nil: nowhere

	// OnReady is called in a goroutine of its own once the app can be used. ctx
	// ends when the host stops, which waits for it, for DrainTimeout at most.
	// An error stops the host and becomes Run's.
	OnReady func(ctx context.Context, info Info) error

	stopping func(activities int, within time.Duration) // told instead of Logger that ctx has ended
}

// Info tells how a running app is reached.
type Info struct {
	URL     string // of the HTTP server, without a path; empty with [NoPort]
	TaskHub string
	Client  *client.Client // of the app's hub, in this process
	// Handler serves what the HTTP server does: the management API, the app's
	// HTTP functions, and /healthz and /readyz. A program can mount it at the
	// root of a server of its own, which sees to TLS. It asks for keys as the
	// host's server does; with [NoPort] always, unless management.requireKey is
	// false. Once the host stops it answers 503.
	Handler http.Handler
	// RPCBaseURL is where worker processes of this machine manage instances,
	// with a slash at its end; empty unless localRpcEndpointEnabled.
	RPCBaseURL string
}

// Run serves app until ctx ends and everything is stored. Mistakes in the app,
// the configuration or the options, a store that another process has open and
// an address that is taken are errors before anything runs.
func Run(ctx context.Context, app *perdure.App, o Options) error {
	if err := errors.Join(app.Validate(), checkTriggers(o)); err != nil {
		return err
	}
	lines := newRepeats(cmp.Or(o.Logger, slog.New(slog.DiscardHandler)).Handler())
	defer lines.end()
	log := slog.New(lines)
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	cfg, err := config.Load(config.Source{Dir: o.Dir, Environ: environ, DataDir: o.DataDir})
	if err != nil {
		return err
	}
	logConfig(log, cfg)
	at, err := listenAddress(o, cfg)
	if err != nil {
		return err
	}
	db, err := hubs.Open(ctx, cfg, hubs.Opening{Dying: hubs.DyingPatience, Log: log})
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, app, o, cfg, db, at, log), db.Close())
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
func serve(ctx context.Context, app *perdure.App, o Options, cfg *config.Config, db store.Provider, at address, log *slog.Logger) error {
	kept, err := db.Hub(ctx, cfg.HubName, store.HubOptions{Partitions: cfg.Partitions, Create: true})
	if err != nil {
		return err
	}
	if err := hubs.TellRestored(ctx, cfg.DataDir, kept, log); err != nil {
		return err
	}
	journal := hubs.OpenJournal(cfg, log)
	journal.Remote = true
	defer journal.Close() // all of it is on disk
	endpointKey := rand.Text()
	keys, err := hubs.NewKeyring(cfg, log, journal.NoteKeys, httpapi.Key{Name: hubs.ByCommandLine, Value: endpointKey})
	if err != nil {
		return err
	}
	if err := journal.Begin(cfg, keys.Names); err != nil {
		return err
	}
	certificates, err := loadCertificates(cfg.Management.TLS, log)
	if err != nil {
		return err
	}
	in, err := listen(at, cfg, log)
	if err != nil {
		return err
	}
	all := hubs.New(db, cfg, engineOptions(cfg, o, log), journal)
	own, err := all.Run(kept, app)
	if err != nil {
		return errors.Join(err, in.close())
	}
	info := Info{URL: in.apiURL(at), TaskHub: kept.Name()}
	options := apiOptions(own, at, keys)
	if in.rpc != nil {
		info.RPCBaseURL = rpcBaseURL(in.rpc)
		options.RPCBaseURL = info.RPCBaseURL
	}
	handler, c := newAPI(own, o.HTTP, info.URL, options)
	info.Client = c
	probes := &health{db: db, engine: own.Engine.Load}
	serving := newServers(log)
	info.Handler = serving.untilShutdown(probes.wrap(handler, httpPaths(o.HTTP)))
	serving.serveAll(in, handler, info.Handler, rpcOptions(options, info.URL), certificates)
	ep := hubs.Endpoint{URL: cmp.Or(info.URL, options.PublicURL, in.localURL(), "http://localhost"), Socket: in.socketName, Local: in.localURL(), PID: os.Getpid(), Hub: info.TaskHub, Key: endpointKey}
	removeEndpoint, err := ep.Write(cfg.DataDir)
	if err == nil {
		announce(o, app, cfg, at, info)
		log.Info("listening", "at", info.URL, "hub", info.TaskHub)
		endWork := startWork(ctx, o, own, info.Client)
		err = untilStopped(ctx, o, info, own.Ended, serving.failed, func() {
			probes.draining.Store(true)
			stopping(o, own, log)
		})
		err = errors.Join(err, endWork())
		removeEndpoint()
	}
	// Requests that wait for an instance end when the engines do, so the server
	// stops taking new ones first and is awaited last.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout(o)+time.Second)
	defer cancel()
	down := serving.shutdown(closing)
	err = errors.Join(err, all.Stop())
	<-down
	return err
}

// startWork starts what the host does besides serving: timer functions and
// retention. end stops it and returns when it has ended, or with an error if it
// has not within DrainTimeout.
func startWork(ctx context.Context, o Options, own *hubs.Hub, c *client.Client) (end func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, f := range o.Timers {
		work.Go(func() { f.run(ctx, c, own.Log, time.Now) })
	}
	work.Go(func() { expireAudit(ctx, own.Hubs.Journal, own.Hubs.Config.Management.AuditKeep, time.Now) })
	work.Go(func() { retain(ctx, own.ForProgram(hubs.ByRetention), own.Hubs.Config.Retention, own.Log, time.Now) })
	ended := make(chan struct{})
	go func() { // ends with what it waits for, or with the process
		work.Wait()
		close(ended)
	}()
	return func() error {
		cancel()
		return inTime(o, "a timer function", ended)
	}
}

// inTime waits for code of the user at the end, but not for ever.
func inTime[T any](o Options, what string, ended <-chan T) error {
	timer := time.NewTimer(drainTimeout(o))
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: %s", engine.ErrLeftBehind, what)
	}
}

func drainTimeout(o Options) time.Duration { return cmp.Or(o.DrainTimeout, 10*time.Second) }

func engineOptions(cfg *config.Config, o Options, log *slog.Logger) engine.Options {
	return engine.Options{
		Logger: log, MaxActivities: cfg.MaxActivities, MaxOrchestrators: cfg.MaxOrchestrations,
		MaxBacklogBytes: cfg.MaxBacklogBytes, MaxDeaths: cfg.MaxDeaths, Build: build, DrainTimeout: drainTimeout(o), DefaultVersion: cfg.DefaultVersion,
	}
}

// stopping says what is waited for from now on.
func stopping(o Options, own *hubs.Hub, log *slog.Logger) {
	n := own.Engine.Load().Performing()
	if o.stopping != nil {
		o.stopping(n, drainTimeout(o))
		return
	}
	log.Info("stopping", "activities", n, "within", drainTimeout(o))
}

// untilStopped calls OnReady and returns when ctx ends, which stopping is told
// at once, or with what went wrong.
func untilStopped(ctx context.Context, o Options, info Info, engineEnded, served <-chan error, stopping func()) (err error) {
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
			err = errors.Join(err, inTime(o, "OnReady", ready))
		}
	}()
	for {
		select {
		case <-ctx.Done():
			stopping()
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
