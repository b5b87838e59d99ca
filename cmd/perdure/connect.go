package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/host"
)

// patience bounds a command that does not wait for an instance.
const patience = time.Minute

// access says how a command uses the hub.
type access struct {
	create  bool // a hub that does not exist is created
	endless bool // it may take as long as it likes
}

// withClient resolves the configuration, calls do with a client of the hub, and
// lets go of the store again.
func (t *tool) withClient(ctx context.Context, a access, do func(context.Context, *client.Client) error) error {
	if !a.endless {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if t.url != "" {
		return do(ctx, client.Remote(t.url, client.RemoteOptions{Key: t.key, TaskHub: t.taskHub}))
	}
	cfg, err := t.config()
	if err != nil {
		return err
	}
	t.tell(cfg)
	c, release, err := host.Connect(ctx, cfg, a.create, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, c), release())
}

func (t *tool) config() (*config.Config, error) {
	return config.Load(config.Source{
		Dir: t.dir, Environ: t.environ, TaskHub: t.taskHub, Connection: t.connection, DataDir: t.dataDir,
	})
}

// checkAddress completes and checks --url and --key. A folder that is named on the
// command line stands above an address in the environment.
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
		if err := config.CheckHubName(t.taskHub); err != nil {
			return usage("--task-hub-name: %w", err)
		}
	}
	return nil
}

// tell prints warnings and, when asked, every setting with its source.
func (t *tool) tell(cfg *config.Config) {
	if cfg.HostFile == "" && t.taskHub == "" {
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
