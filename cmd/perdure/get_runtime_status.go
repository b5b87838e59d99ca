package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) getRuntimeStatus() *cobra.Command {
	cmd := t.newCommand("get-runtime-status --id ID [--show-input] [--show-output]", "Show the status of an instance",
		"perdure get-runtime-status --id order-17 --show-input true --show-output true")
	id := t.instanceID(cmd)
	var v shown
	cmd.Flags().BoolVar(&v.input, "show-input", false, "show the input")
	cmd.Flags().BoolVar(&v.output, "show-output", false, "show the output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			status, err := h.Status(ctx, client.InstanceID(*id), client.StatusOptions{OmitInput: !v.input, OmitOutput: !v.output})
			if err != nil {
				return t.notFound(named(*id, err))
			}
			return t.show(instance(status, v))
		})
	}
	return cmd
}

// notFound prints that there is no such instance the way the original does,
// where that is wanted: as a result.
func (t *tool) notFound(err error) error {
	if m, ok := errors.AsType[*missing](err); ok && t.coreTools {
		_, err = fmt.Fprintln(t.stdout, m)
	}
	return err
}
