package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) getRuntimeStatus() *cobra.Command {
	var id string
	var v shown
	cmd := &cobra.Command{
		Use:     "get-runtime-status --id ID [--show-input] [--show-output]",
		Short:   "Show the status of an instance",
		Example: "  perdure get-runtime-status --id order-17 --show-input true --show-output true",
		Args:    noArguments,
	}
	cmd.Flags().StringVarP(&id, "id", "i", "", "id of the instance (required)")
	cmd.Flags().BoolVar(&v.input, "show-input", false, "show the input")
	cmd.Flags().BoolVar(&v.output, "show-output", false, "show the output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if id == "" {
			return usage("--id is required")
		}
		format, err := t.format()
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		return t.withClient(ctx, false, func(c *client.Client) error {
			status, err := c.GetStatus(ctx, id, client.GetOptions{OmitInput: !v.input, OmitOutput: !v.output})
			if errors.Is(err, client.ErrNotFound) {
				return &missing{id, err}
			}
			if err != nil {
				return err
			}
			return formats[format](t.stdout, status, v)
		})
	}
	return cmd
}

// missing says that there is no such instance in the words that scripts know.
type missing struct {
	id  string
	err error
}

func (m *missing) Error() string {
	return fmt.Sprintf("Could not find an orchestration instance with id '%s'", m.id)
}

func (m *missing) Unwrap() error { return m.err }
