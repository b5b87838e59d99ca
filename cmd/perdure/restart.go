package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) restart() *cobra.Command {
	cmd := t.newCommand("restart --id ID [--same-id]", "Run an instance anew, with its name, input, version and tags", "perdure restart --id order-17")
	id := t.instanceID(cmd)
	sameID := cmd.Flags().Bool("same-id", false, "in place of the old run, which must have ended (default: with a new id)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			started, err := h.Restart(ctx, client.InstanceID(*id), client.RestartOptions{SameID: *sameID})
			if err != nil {
				return named(*id, err)
			}
			h.waits("the instance")
			return t.show(sentence(fmt.Sprintf("Restarted '%s'\nInstance ID: '%s'", *id, started),
				object{{"restarted", *id}, {"instanceId", started}}))
		})
	}
	return cmd
}
