package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/hubs"
)

// errDisagrees is a hub in which something does not agree.
var errDisagrees = errors.New("not everything in the hub agrees")

func (t *tool) checkCommand() *cobra.Command {
	cmd := t.newCommand("check", "Verify that all in the hub agrees, and change nothing", "perdure check")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if t.url != "" {
			return usage("check works on the folder of this machine, also while an app runs there, and goes with no address of a host")
		}
		cfg, err := t.config()
		if err != nil {
			return err
		}
		t.tell(cfg)
		found := []client.Disagreement{}
		report, err := hubs.Check(cmd.Context(), cfg, client.CheckOptions{
			Tell: func(d client.Disagreement) { found = append(found, d) },
			Progress: func(p client.CheckReport) {
				t.warn("%d instances, %d records, %d timers, %d messages so far; %d disagreements", p.Instances, p.Records, p.Timers, p.Messages, p.Disagreements)
			},
		})
		if err != nil {
			return t.notHere(cfg, err)
		}
		if err := t.show(checked(cfg.HubName, &report, found)); err != nil {
			return err
		}
		if report.Disagreements > 0 {
			return fmt.Errorf("task hub %s: %d disagreements: %w", cfg.HubName, report.Disagreements, errDisagrees)
		}
		return nil
	}
	return cmd
}

func checked(hub string, report *client.CheckReport, found []client.Disagreement) result {
	rows := []row{{"ITEM", "VALUE"}}
	for _, about := range report.Store {
		rows = append(rows, row{"store", about})
	}
	for _, n := range []struct {
		of string
		is int64
	}{
		{"instances", report.Instances}, {"records", report.Records}, {"timers", report.Timers}, {"messages", report.Messages},
		{"messages for nobody", report.Undeliverable}, {"disagreements", report.Disagreements}, {"more of them, at least", report.More},
	} {
		if n.is > 0 || n.of == "instances" || n.of == "disagreements" {
			rows = append(rows, row{n.of, fmt.Sprint(n.is)})
		}
	}
	var lines []any
	for i := range found {
		d := &found[i]
		rows = append(rows, row{d.Rule, ""}, row{"  instance", string(d.Instance)}, row{"  rows", d.Rows}, row{"  says", d.Says}, row{"  do", d.Do})
		lines = append(lines, d)
	}
	return result{document: object{{"taskHub", hub}, {"checked", report}, {"disagreements", found}}, lines: append(lines, object{{"taskHub", hub}, {"checked", report}}), rows: rows, usual: "table"}
}
