package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) export() *cobra.Command {
	cmd := t.newCommand("export --id ID", "Print an instance with its history as JSON, for import", "perdure export --id order-17 >order-17.json")
	id := t.instanceID(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			archive, err := h.Export(ctx, client.InstanceID(*id))
			if err != nil {
				return named(*id, err)
			}
			return t.show(result{document: archive, usual: "json", rows: []row{
				{"INSTANCE ID", "NAME", "STATUS", "TURNS"},
				{*id, archive.Instance.Name, archive.Instance.Status.String(), fmt.Sprint(len(archive.Turns))},
			}})
		})
	}
	return cmd
}

func (t *tool) importArchive() *cobra.Command {
	cmd := t.newCommand("import @FILE|- [--id ID]", "Store an exported instance in this hub", "perdure import @order-17.json --id order-17-copy")
	cmd.Args = cobra.ArbitraryArgs
	id := cmd.Flags().StringP("id", "i", "", "id that it gets (default: the one it had)")
	conflict := conflictOption(cmd)
	create := t.createOption(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] != "-" && !strings.HasPrefix(args[0], "@") {
			return syntax("import takes one argument: @FILE, or - for standard input")
		}
		reuse, err := parseConflict(*conflict)
		if err != nil {
			return err
		}
		makes, err := t.creates(*create)
		if err != nil {
			return err
		}
		archive, err := t.archive(strings.TrimPrefix(args[0], "@"))
		if err != nil {
			return err
		}
		return t.withClient(cmd.Context(), access{create: makes}, func(ctx context.Context, h *hub) error {
			id, err := h.Import(ctx, archive, client.ImportOptions{ID: client.InstanceID(*id), Reuse: reuse})
			if err != nil {
				return err
			}
			if !archive.Instance.Status.Terminal() {
				h.waits("the instance")
			}
			return t.show(sentence(fmt.Sprintf("Imported '%s'\nInstance ID: '%s'", archive.Instance.ID, id),
				object{{"imported", archive.Instance.ID}, {"instanceId", id}}))
		})
	}
	return cmd
}

// archive reads what export printed.
func (t *tool) archive(name string) (*client.Archive, error) {
	text, err := t.jsonFile(name)
	if err != nil {
		return nil, err
	}
	var archive client.Archive
	if err := json.Unmarshal(text, &archive); err != nil {
		return nil, fmt.Errorf("%s is not an exported instance: %w", name, err)
	}
	return &archive, nil
}
