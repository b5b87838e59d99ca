package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) deleteTaskHub() *cobra.Command {
	cmd := t.newCommand("delete-task-hub [NAME] [--yes] [--force]", "Delete a task hub with all of its instances", "perdure delete-task-hub --task-hub-name DevHub --yes")
	t.takesWord(cmd, "task-hub-name", false)
	cmd.ValidArgsFunction = t.completeHubs
	var yes, force bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "also while a host serves it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name, err := t.hubName()
		if err != nil {
			return err
		}
		if err := t.confirm(yes, fmt.Sprintf("Delete task hub %s with all of its instances?", name)); err != nil {
			return err
		}
		err = t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			return h.DeleteHub(ctx, client.DeleteHubOptions{Force: force})
		})
		switch {
		case errors.Is(err, client.ErrHubNotFound): // one that never was is deleted
			if !t.coreTools {
				t.warn("there was no task hub %s", name)
			}
		case err != nil:
			return err
		}
		return t.show(sentence(fmt.Sprintf("Task hub '%s' successfully deleted", name), object{{"taskHub", name}}))
	}
	return cmd
}

// hubName is the name of the hub that commands act on.
func (t *tool) hubName() (string, error) {
	if t.url != "" && t.taskHub == "" {
		return "", usage("%s: --task-hub-name is required with --url", t.name)
	}
	if t.url != "" {
		return t.taskHub, nil
	}
	cfg, err := t.config()
	if err != nil {
		return "", err
	}
	return cfg.HubName, nil
}
