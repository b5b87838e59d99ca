package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) suspend() *cobra.Command {
	return t.pausing("suspend", "Suspend an instance: it does nothing until it is resumed", "Suspended", (*client.Client).Suspend)
}

func (t *tool) resume() *cobra.Command {
	return t.pausing("resume", "Let a suspended instance go on", "Resumed", (*client.Client).Resume)
}

// pausing is the command of an operation that takes an instance and a reason.
func (t *tool) pausing(name, short, done string, do func(*client.Client, context.Context, string, string) error) *cobra.Command {
	cmd := t.newCommand(name+" --id ID [--reason TEXT]", short, "perdure "+name+` --id order-17 --reason "stock is counted"`)
	id := t.instanceID(cmd)
	reason := cmd.Flags().String("reason", "", "kept in the history")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, c *client.Client) error {
			if err := do(c, ctx, *id, *reason); err != nil {
				return named(*id, err)
			}
			return t.show(sentence(fmt.Sprintf("%s '%s'", done, *id), object{{"instanceId", *id}}))
		})
	}
	return cmd
}
