package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) explain() *cobra.Command {
	cmd := t.newCommand("explain --id ID", "Tell why an instance is where it is, and what would move it", "perdure explain --id order-17")
	id := t.instanceID(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			e, err := h.Explain(ctx, client.InstanceID(*id))
			if err != nil {
				return named(*id, err)
			}
			return t.show(explanation(e))
		})
	}
	return cmd
}

// inOneLine is the gist of an explanation.
func inOneLine(e *client.Explanation) string {
	return fmt.Sprintf("%s is %s. %s", e.Instance, e.Status, e.Summary)
}

func explanation(e *client.Explanation) result {
	rows := []row{{"WAITS FOR", "NAME", "SINCE", "DUE", "ATTEMPTS", "PROBLEM"}}
	text := []string{inOneLine(e)}
	for _, w := range e.Waits {
		name, due := w.Name, ""
		if w.Instance != "" {
			name = strings.TrimSpace(name + " " + string(w.Instance))
		}
		line := fmt.Sprintf("Waits for %s since %s", strings.TrimSpace(w.Kind+" "+name), second(w.Since))
		if !w.Due.IsZero() {
			due = second(w.Due)
			line += ", due " + due
		}
		if w.Problem != "" {
			line += ": " + w.Problem
		}
		rows = append(rows, row{w.Kind, name, second(w.Since), due, fmt.Sprint(w.Attempts), w.Problem})
		text = append(text, line)
	}
	for _, k := range e.Kept {
		since := second(k.Since)
		rows = append(rows, row{"(kept)", k.Event, since, "", "", fmt.Sprintf("not waited for: %d", k.Count)})
		text = append(text, fmt.Sprintf("Keeps events %s, which it does not wait for: %d, the oldest since %s", k.Event, k.Count, since))
	}
	text = append(text, fmt.Sprintf("Next: %s. %s", e.Action, e.Advice))
	if e.LeftBehind > 0 {
		text = append(text, fmt.Sprintf("Code that does not come back and was left behind, of all instances: %d. A restart of the app ends it.", e.LeftBehind))
	}
	if e.Stack != "" {
		text = append(text, "Stack of the panic:")
		text = append(text, strings.Split(strings.TrimSpace(e.Stack), "\n")...)
	}
	return result{document: e, rows: rows, legacy: lines(text), usual: "legacy"}
}
