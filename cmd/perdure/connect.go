package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/wire"
)

// patience bounds a command that does not wait for an instance.
const patience = time.Minute

// doubt is how long a host may take before a person is told that it has not
// answered.
const doubt = 5 * time.Second

// access says how a command uses the hub.
type access struct {
	create  bool // a hub that does not exist is created
	endless bool // it may take as long as it likes
}

// hub is the task hub that a command acts on.
type hub struct {
	*client.Client
	tool *tool
	name string // empty: a host elsewhere uses its own
	idle string // why nothing moves; empty: an app runs, or may run where it cannot be seen
	dir  string // of the store, when that is on this machine
}

// withClient resolves the configuration, calls do with the hub, and lets go of
// the store again.
func (t *tool) withClient(ctx context.Context, a access, do func(context.Context, *hub) error) error {
	if !a.endless {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if t.url != "" {
		over, err := t.httpClient()
		if err != nil {
			return err
		}
		defer t.doubting(a, t.url)()
		remote := client.Remote(t.url, client.RemoteOptions{Key: t.key, TaskHub: t.taskHub, HTTPClient: over})
		return signedBy(do(ctx, &hub{Client: remote, tool: t, name: t.taskHub}))
	}
	cfg, err := t.config()
	if err != nil {
		return err
	}
	t.tell(cfg)
	c, err := hubs.Connect(ctx, cfg, a.create, slog.New(slog.DiscardHandler))
	if err != nil {
		return t.notHere(cfg, err)
	}
	h := &hub{Client: c.Client, tool: t, name: cfg.HubName, dir: cfg.DataDir}
	base, _ := address(c.Client)
	switch {
	case c.Served:
	case base == "":
		h.idle = "no app runs here"
	default:
		h.idle = fmt.Sprintf("the app that runs here has another task hub than %s", h.name)
	}
	if base != "" {
		defer t.doubting(a, base)()
	}
	err = do(ctx, h)
	if errors.Is(err, client.ErrHubNotFound) && a.create && base != "" {
		err = fmt.Errorf("%w; %s, and makes no hub for others", err, h.idle)
	}
	return errors.Join(err, c.Close())
}

// doubting tells after a while that the host at an address has not answered: it
// may hang. What may take long is left alone. end ends it.
func (t *tool) doubting(a access, address string) (end func()) {
	if a.endless {
		return func() {}
	}
	told := make(chan struct{})
	timer := time.AfterFunc(t.doubt, func() {
		defer close(told)
		t.warn("the host at %s has not answered for %s: it is busy, or hangs", address, t.doubt)
	})
	return func() {
		if !timer.Stop() {
			<-told
		}
	}
}

// storeHere is the configuration of a store that must be on this machine; why
// says what a host elsewhere cannot be asked.
func (t *tool) storeHere(why string) (*config.Config, error) {
	if t.url != "" {
		return nil, usage("%s: --url does not go with it", why)
	}
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	t.tell(cfg)
	if !hubs.Exists(cfg) {
		return nil, t.notHere(cfg, fmt.Errorf("%w: %s: %w in %s", client.ErrHubNotFound, cfg.HubName, hubs.ErrNoStore, cfg.DataDir))
	}
	return cfg, nil
}

// notHere adds to an error about a hub that is not there what to do about it.
func (t *tool) notHere(cfg *config.Config, err error) error {
	switch {
	case errors.Is(err, hubs.ErrNoStore) && cfg.HostFile == "" && t.dataDir == "":
		return fmt.Errorf("%w or in a folder above; go to the app's folder, name it with --script-root, or its store with --data-dir. The app makes its store when it first runs, and perdure start --create makes one before that", err)
	case errors.Is(err, hubs.ErrNoStore):
		return fmt.Errorf("%w; the app makes it when it first runs, and perdure start --create before that", err)
	case errors.Is(err, client.ErrHubNotFound):
		return fmt.Errorf("%w; the app makes it when it first runs, and perdure start --create before that", err)
	}
	return err
}

// later tells a person that what was stored waits for an app, if that is so.
// The original says nothing of the kind.
func (h *hub) later(format string, args ...any) {
	if h.idle == "" || h.tool.coreTools {
		return
	}
	h.tool.warn("%s: %s", h.idle, fmt.Sprintf(format, args...))
}

// waits tells that what is stored waits for an app, if that is so.
func (h *hub) waits(what string) { h.later("%s waits in %s", what, h.dir) }

// createOption declares --create.
func (t *tool) createOption(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("create", false, "make the store and the task hub, if they are not there")
}

// creates is whether a store and a hub that are not there are made: where that
// was asked for. The original always does.
func (t *tool) creates(asked bool) (bool, error) {
	if asked && t.url != "" {
		return false, usage("--create makes a store on this machine, and goes with no address of a host")
	}
	return asked || t.coreTools, nil
}

func (t *tool) config() (*config.Config, error) {
	return config.Load(config.Source{
		Dir: t.dir, Environ: t.environ, TaskHub: t.taskHub, Connection: t.connection, DataDir: t.dataDir, FindStore: true,
	})
}

// checkAddress completes and checks --url and --key. A folder that is named on
// the command line stands above an address in the environment.
func (t *tool) checkAddress() error {
	switch {
	case t.url != "" && t.dataDir != "":
		return usage("--url and --data-dir exclude each other")
	case t.dataDir == "" && t.url == "":
		t.url = t.variable("PERDURE_URL")
	}
	if t.key == "" {
		t.key = t.variable("PERDURE_KEY")
	}
	if t.url == "" {
		return nil
	}
	u, err := url.Parse(t.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usage("--url: an address such as https://example.org:7071 is needed")
	case u.User != nil || u.RawQuery != "":
		return usage("--url: the address holds a secret or a query; the key goes into --key or PERDURE_KEY")
	}
	if t.taskHub != "" {
		if err := wire.CheckHubName(t.taskHub); err != nil {
			return usage("--task-hub-name: %w", err)
		}
	}
	return nil
}

// tell prints warnings and, when asked, every setting with its source. That
// there is no host.json is worth a line where there is no store either.
func (t *tool) tell(cfg *config.Config) {
	if t.told {
		return
	}
	t.told = true
	if cfg.HostFile == "" && t.taskHub == "" && (t.verbose || t.coreTools || !hubs.Exists(cfg)) {
		t.warn("no host.json in %s or above: task hub %s is used", cfg.Root, cfg.HubName)
	}
	for _, warning := range cfg.Warnings {
		t.warn("%s", warning)
	}
	if !t.verbose {
		return
	}
	for _, s := range cfg.Settings {
		fmt.Fprintf(t.stderr, "%s = %s (%s)\n", s.Key, s.Value, s.Source)
	}
}

// warn prints a line that is not a result.
func (t *tool) warn(format string, args ...any) {
	w := t.stderr
	if t.coreTools {
		w = t.stdout // as the original does
	}
	fmt.Fprintf(w, format+"\n", args...)
}
