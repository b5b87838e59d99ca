package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hubs"
)

// checkup is how long doctor waits for whoever serves the hub.
const checkup = 10 * time.Second

// finding is something that doctor found out.
type finding struct {
	Item   string `json:"item"`
	Value  string `json:"value"`
	Source string `json:"source,omitempty"`
}

func (t *tool) doctor() *cobra.Command {
	cmd := t.newCommand("doctor", "Show which hub is used, where each setting comes from, and whether all is well", "perdure doctor")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings := []finding{{"version", version(), ""}}
		settings, err := t.examineSettings()
		if err != nil {
			return err
		}
		hub, err := t.examineHub(cmd.Context())
		findings = append(append(findings, settings...), hub...)
		return errors.Join(t.show(diagnosis(findings)), err)
	}
	return cmd
}

func diagnosis(findings []finding) result {
	rows := []row{{"ITEM", "VALUE", "SOURCE"}}
	lines := []any{}
	for _, f := range findings {
		rows = append(rows, row{f.Item, f.Value, f.Source})
		lines = append(lines, f)
	}
	return result{document: object{{"findings", findings}}, lines: lines, rows: rows, usual: "table"}
}

// examineSettings tells of every setting where it comes from. None of them
// holds a secret.
func (t *tool) examineSettings() ([]finding, error) {
	if t.url != "" {
		return t.examineAddress(), nil
	}
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	findings := []finding{{"root", cfg.Root, ""}}
	if cfg.HostFile == "" {
		findings = append(findings, finding{"host.json", "there is none in " + cfg.Root + " or above", ""})
	}
	for _, s := range cfg.Settings {
		findings = append(findings, finding{s.Key, s.Value, s.Source})
	}
	for _, warning := range cfg.Warnings {
		findings = append(findings, finding{"warning", warning, ""})
	}
	for _, key := range cfg.Unused {
		findings = append(findings, finding{"ignored", key, ""})
	}
	restored, err := hubs.FindRestored(cfg.DataDir)
	if restored != nil {
		findings = append(findings, finding{"restored", fmt.Sprintf("%s, from a backup of %s", second(restored.At), second(restored.Made)), ""})
	}
	return findings, err
}

// examineAddress tells of the settings of another machine's hub.
func (t *tool) examineAddress() []finding {
	hub, key := t.taskHub, "none"
	if hub == "" {
		hub = "the host's own"
	}
	if t.key != "" {
		key = "given, not shown"
	}
	return []finding{{"url", t.url, ""}, {"key", key, ""}, {"hubName", hub, ""}}
}

// examineHub asks whoever serves the hub. A hub that is not there yet is no
// problem: a host, or the first start, creates it.
func (t *tool) examineHub(ctx context.Context) ([]finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkup)
	defer cancel()
	var findings []finding
	note := func(item, format string, args ...any) {
		findings = append(findings, finding{item, fmt.Sprintf(format, args...), ""})
	}
	t.verbose = false // all of that is in the findings
	err := t.quietly(func() error {
		return t.withClient(ctx, access{}, func(ctx context.Context, h *hub) error {
			switch base, _ := address(h.Client); {
			case base == "":
				note("host", "none runs: what is started waits for one")
			case h.idle != "":
				note("host", "runs at %s, but %s: what is started waits for another one", base, h.idle)
			default:
				note("host", "runs at %s", base)
			}
			counts, err := h.Count(ctx, client.Query{})
			if err != nil {
				return err
			}
			for _, status := range history.Statuses() {
				if n := counts[status]; n > 0 {
					note(status.String(), "instances: %d", n)
				}
			}
			note("hub", "exists; instances: %d", counts.Total())
			return nil
		})
	})
	if errors.Is(err, client.ErrHubNotFound) {
		note("hub", "does not exist yet")
		return findings, nil
	}
	return findings, err
}
