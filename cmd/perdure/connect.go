package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/host"
)

// withClient resolves the configuration, calls do with a client of the hub, and
// lets go of the store again.
func (t *tool) withClient(ctx context.Context, create bool, do func(*client.Client) error) error {
	cfg, err := config.Load(config.Source{
		Dir: t.dir, Environ: t.environ, TaskHub: t.taskHub, Connection: t.connection, DataDir: t.dataDir,
	})
	if err != nil {
		return err
	}
	t.explain(cfg)
	c, release, err := host.Connect(ctx, cfg, create, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(do(c), release())
}

// explain prints warnings and, when asked, every setting with its source.
func (t *tool) explain(cfg *config.Config) {
	if cfg.HostFile == "" && t.taskHub == "" {
		fmt.Fprintf(t.stderr, "no host.json in %s or above: task hub %s is used\n", cfg.Root, cfg.HubName)
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(t.stderr, warning)
	}
	if !t.verbose {
		return
	}
	for _, s := range cfg.Settings {
		fmt.Fprintf(t.stderr, "%s = %s (%s)\n", s.Key, s.Value, s.Source)
	}
}
