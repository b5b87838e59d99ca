package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) suspend() *cobra.Command {
	return t.pausing("suspend", "Suspend an instance: it does nothing until it is resumed", "Suspended", "is suspended", (*client.Client).Suspend)
}

func (t *tool) resume() *cobra.Command {
	return t.pausing("resume", "Let a suspended instance go on", "Resumed", "goes on", (*client.Client).Resume)
}

// pausing is the command of an operation that takes an instance and a reason.
func (t *tool) pausing(name, short, done, effect string, do func(*client.Client, context.Context, client.InstanceID, string) error) *cobra.Command {
	cmd := t.newCommand(name+" --id ID [--reason TEXT]", short, "perdure "+name+` --id order-17 --reason "stock is counted"`)
	id := t.instanceID(cmd)
	reason := cmd.Flags().String("reason", "", "kept in the history")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			if err := do(h.Client, ctx, client.InstanceID(*id), *reason); err != nil {
				return named(*id, err)
			}
			text := fmt.Sprintf("%s '%s'", done, *id)
			if h.idle != "" {
				text = fmt.Sprintf("Asked '%s' to %s", *id, name)
				h.later("it %s when the app starts; the request waits in %s", effect, h.dir)
			}
			return t.show(sentence(text, object{{"instanceId", *id}}))
		})
	}
	return cmd
}
