package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/nearest"
)

// keyRoles are what --role takes, the least first.
var keyRoles = []string{"metadata", "read", "operate"}

func (t *tool) keys() *cobra.Command {
	cmd := t.newCommand("keys", "Show the keys of the HTTP API, and add, replace or take away one", "perdure keys add ci --role read")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := t.storeHere("keys are kept where the app runs")
		if err != nil {
			return err
		}
		keys, err := hubs.Keys(cfg)
		if err != nil {
			return err
		}
		rows := []row{{"NAME", "ROLE"}}
		var lines []any
		for _, k := range keys {
			rows, lines = append(rows, row{k.Name, k.Role}), append(lines, k)
		}
		return t.show(result{document: object{{"keys", lines}}, lines: lines, rows: rows, usual: "table"})
	}

	add := t.keyCommand("add NAME [--role ROLE]", "Add a key and print its value", "perdure keys add ci --role read")
	role := add.Flags().String("role", "operate", "what it opens: metadata, read or operate")
	add.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(keyRoles, cobra.ShellCompDirectiveNoFileComp))
	add.RunE = t.editKey(func(cfg *config.Config, name string) (string, error) {
		if !slices.Contains(keyRoles, *role) {
			return "", usage("--role %s: the value is metadata, read or operate%s", *role, nearest.Hint(*role, keyRoles))
		}
		return hubs.AddKey(cfg, name, *role)
	}, "Added")

	rotate := t.keyCommand("rotate NAME", "Give a key another value and print it", "perdure keys rotate ci")
	rotate.RunE = t.editKey(hubs.RotateKey, "Rotated")

	remove := t.keyCommand("remove NAME", "Take a key away, and with it the links that its holders made", "perdure keys remove ci")
	remove.RunE = t.editKey(func(cfg *config.Config, name string) (string, error) { return "", hubs.RemoveKey(cfg, name) }, "Removed")

	cmd.AddCommand(add, rotate, remove)
	return cmd
}

// keyCommand is a command about one key.
func (t *tool) keyCommand(use, short, example string) *cobra.Command {
	cmd := t.newCommand(use, short, example)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s: the name of one key is needed", cmd.CommandPath())
		}
		return nil
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

// editKey runs an edit and shows the value that it returns, if any.
func (t *tool) editKey(edit func(*config.Config, string) (string, error), done string) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		cfg, err := t.storeHere("keys are kept where the app runs")
		if err != nil {
			return err
		}
		value, err := edit(cfg, args[0])
		if err != nil {
			return err
		}
		text, members := fmt.Sprintf("%s key '%s'", done, args[0]), object{{"name", args[0]}}
		if value != "" {
			text, members = text+"\nValue: "+value, members.with("value", value)
		}
		return t.show(sentence(text, members))
	}
}
