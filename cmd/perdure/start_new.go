package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) startNew() *cobra.Command {
	var name, id string
	var input payloadOptions
	cmd := &cobra.Command{
		Use:     "start-new --function-name NAME [--id ID] [--input JSON]",
		Short:   "Start an instance of an orchestrator",
		Example: "  perdure start-new --function-name OrderFlow --input @order.json",
		Args:    noArguments,
	}
	cmd.Flags().StringVarP(&name, "function-name", "n", "", "orchestrator to start (required)")
	cmd.Flags().StringVarP(&id, "id", "i", "", "id of the instance (default: a random one)")
	input.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if name == "" {
			return usage("--function-name is required")
		}
		format, err := t.format()
		if err != nil {
			return err
		}
		payload, err := t.payload(&input)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		return t.withClient(ctx, true, func(c *client.Client) error {
			id, err := c.StartNew(ctx, name, payload, client.StartOptions{ID: id})
			if err != nil {
				return err
			}
			status, err := c.GetStatus(ctx, id, client.GetOptions{})
			if err != nil {
				return err
			}
			if format == "json" || format == "jsonl" {
				return formats[format](t.stdout, status, shown{input: true, output: true})
			}
			_, err = fmt.Fprintf(t.stdout, "Started '%s' at %s\nInstance ID: '%s'\n", status.Name, status.CreatedAt.UTC().Format(time.RFC3339), id)
			return err
		})
	}
	return cmd
}
