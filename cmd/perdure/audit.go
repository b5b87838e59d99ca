package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/hubs"
)

func (t *tool) audit() *cobra.Command {
	cmd := t.newCommand("audit [--last N]", "Show who changed what", "perdure audit --last 20")
	last := cmd.Flags().Int("last", 50, "show the newest so many; 0: all")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *last < 0 {
			return usage("--last %d: a number from 0 on is needed", *last)
		}
		dir, err := t.auditDir()
		if err != nil {
			return err
		}
		all, err := readAudit(dir, *last)
		if err != nil {
			return err
		}
		return t.show(changes(all))
	}
	cmd.AddCommand(t.auditVerify())
	return cmd
}

// auditDir is the folder of the audit.
func (t *tool) auditDir() (string, error) {
	cfg, err := t.storeHere("the audit is read where it is written, on the machine of the app")
	if err != nil {
		return "", err
	}
	return hubs.AuditDir(cfg), nil
}

// audited is a change as the lines of the audit tell of it.
type audited struct {
	n       uint64
	time    time.Time
	what    string
	members map[string]json.RawMessage // the others, of both lines
	open    bool                       // it was asked for, and what became of it is not told
}

// readAudit returns the newest changes, oldest first, each with what became of
// it.
func readAudit(dir string, last int) ([]*audited, error) {
	var all []*audited
	asked := map[uint64]*audited{}
	for line, err := range audit.Lines(dir) {
		if err != nil {
			return nil, err
		}
		for _, known := range []string{"n", "time", "what", "hash"} {
			delete(line.Members, known)
		}
		var of uint64
		if json.Unmarshal(line.Members["of"], &of) == nil && of > 0 {
			if c := asked[of]; c != nil {
				delete(line.Members, "of")
				maps.Copy(c.members, line.Members)
				c.open = false
				delete(asked, of)
			}
			continue
		}
		if line.What == "file" {
			continue
		}
		c := &audited{line.N, line.Time, line.What, line.Members, !slices.Contains([]string{"settings", "keys", "expire"}, line.What)}
		all = append(all, c)
		asked[c.n] = c
		if last > 0 && len(all) > last {
			delete(asked, all[0].n)
			all = all[1:]
		}
	}
	return all, nil
}

// text is a member as people read it.
func (c *audited) text(name string) string {
	var text string
	if json.Unmarshal(c.members[name], &text) == nil {
		return text
	}
	return string(c.members[name])
}

// result is what became of it.
func (c *audited) result() string {
	if c.open {
		return "not known"
	}
	return c.text("result")
}

func changes(all []*audited) result {
	rows := []row{{"TIME", "BY", "WHO", "WHAT", "INSTANCE", "RESULT", "DETAILS"}}
	lines := []any{}
	for _, c := range all {
		document := object{{"n", c.n}, {"time", c.time}, {"what", c.what}}
		var details []string
		for _, name := range slices.Sorted(maps.Keys(c.members)) {
			document = document.with(name, c.members[name])
			if !slices.Contains([]string{"by", "who", "instance", "result", "hub"}, name) {
				details = append(details, name+"="+c.text(name))
			}
		}
		lines = append(lines, document)
		rows = append(rows, row{second(c.time), c.text("by"), c.text("who"), c.what, c.text("instance"), shortError(c.result()), strings.Join(details, " ")})
	}
	return result{document: object{{"changes", lines}}, lines: lines, rows: rows, usual: "table"}
}

func (t *tool) auditVerify() *cobra.Command {
	cmd := t.newCommand("verify [--head HEAD]", "Find lines of the audit that were edited, put in or taken away", "perdure audit verify")
	head := cmd.Flags().String("head", "", "what an earlier verify, or the log of a start, gave as head: that line must still be there")
	cmd.RunE = func(*cobra.Command, []string) error {
		dir, err := t.auditDir()
		if err != nil {
			return err
		}
		report, err := audit.Verify(dir, *head)
		if err != nil {
			return err
		}
		err = t.show(verdict(report))
		if n := len(report.Faults); n > 0 {
			return errors.Join(err, fmt.Errorf("the audit is not as it was written: faults: %d", n))
		}
		return err
	}
	return cmd
}

func verdict(r audit.Report) result {
	rows := []row{{"FINDING", "FILE", "LINE", "TEXT"}}
	text := []string{"There is no audit yet"}
	if r.Lines > 0 {
		text[0] = fmt.Sprintf("Files: %d, lines: %d, from %s to %s", r.Files, r.Lines, second(r.From), second(r.To))
	}
	for _, kind := range []struct {
		name     string
		findings []audit.Finding
	}{{"fault", r.Faults}, {"note", r.Notes}} {
		for _, f := range kind.findings {
			where, line := f.File, ""
			if f.Line > 0 {
				line = fmt.Sprint(f.Line)
				where += ":" + line
			}
			if where != "" {
				where += ": "
			}
			rows = append(rows, row{kind.name, f.File, line, f.Text})
			text = append(text, kind.name+": "+where+f.Text)
		}
	}
	if r.Lines > 0 && len(r.Faults) == 0 {
		text = append(text, "Nothing in it was edited, put in or taken away", "Head: "+r.Head)
	}
	return result{document: r, rows: rows, legacy: lines(text), usual: "legacy"}
}
