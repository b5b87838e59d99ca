package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func (t *tool) rewind() *cobra.Command {
	cmd := t.newCommand("rewind --id ID [--reason TEXT] [--dry-run]", "Let a failed instance go on from before its failure",
		`perdure rewind --id order-17 --reason "payment gateway is back"`)
	id := t.instanceID(cmd)
	var o client.RewindOptions
	var dryRun bool
	cmd.Flags().StringVar(&o.Reason, "reason", "", "kept in the history")
	cmd.Flags().BoolVar(&o.All, "all", false, "undo every failure, those that the orchestrator has handled too")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be undone, and do nothing")
	end := t.waitOptions(cmd, "return when the instance has ended again, and fail unless it completed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := firstError(end.check, func() error { return exclusive(cmd, "wait", "dry-run") }); err != nil {
			return err
		}
		return t.withClient(cmd.Context(), access{endless: end.wait}, func(ctx context.Context, h *hub) error {
			if dryRun {
				plan, err := h.PlanRewind(ctx, client.InstanceID(*id), o)
				if err != nil {
					return named(*id, err)
				}
				return t.show(rewindPlan(plan))
			}
			if err := h.Rewind(ctx, client.InstanceID(*id), o); err != nil {
				return named(*id, err)
			}
			if end.wait {
				status, err := end.completed(ctx, h, *id)
				return t.ended(status, err, func(s *client.Status) result { return rewound(*id, s.RuntimeStatus) })
			}
			status, err := h.current(ctx, *id)
			if err != nil {
				return err
			}
			h.later("it goes on when the app starts; the request waits in %s", h.dir)
			return t.show(rewound(*id, status))
		})
	}
	return cmd
}

// rewound tells of a rewind in the words that scripts know. Only Failed
// instances can be rewound, so that is what it was.
func rewound(id string, after client.RuntimeStatus) result {
	text := fmt.Sprintf("Status before rewind: %s\nStatus after rewind: %s", history.Failed, after)
	return sentence(text, object{{"instanceId", id}, {"statusBefore", history.Failed}, {"statusAfter", after}})
}

// rewindPlan shows what a rewind would undo.
func rewindPlan(plan *client.RewindPlan) result {
	text := []string{fmt.Sprintf("A rewind of '%s' goes back to before turn %d", plan.Instance, plan.Turn)}
	rows := []row{{"TASK", "KIND", "NAME", "INSTANCE ID", "FAILURE"}}
	for _, u := range plan.Undone {
		failure := ""
		if u.Failure != nil {
			failure = u.Failure.String()
		}
		rows = append(rows, row{fmt.Sprint(u.Task), u.Kind.String(), u.Name, string(u.Instance), failure})
		text = append(text, fmt.Sprintf("Undone: %s %s: %s", u.Kind, u.Name, failure))
	}
	for _, child := range plan.Rewound {
		text = append(text, fmt.Sprintf("Rewound with it: '%s'", child))
	}
	for _, child := range plan.Again {
		text = append(text, fmt.Sprintf("Started again: '%s'", child))
	}
	for _, child := range plan.Kept {
		text = append(text, fmt.Sprintf("Goes on, or has ended: '%s'", child))
	}
	for _, child := range plan.Lost {
		text = append(text, fmt.Sprintf("Lost, the id is somebody else's: '%s'", child))
	}
	for _, child := range plan.Terminated {
		text = append(text, fmt.Sprintf("Terminated: '%s'", child))
	}
	text = append(text, fmt.Sprintf("Activities to run: %d, timers set again: %d, events dropped: %d, delivered again: %d",
		plan.Activities, plan.Timers, plan.Dropped, plan.Delivered))
	return result{document: plan, rows: rows, legacy: lines(text), usual: "legacy"}
}
