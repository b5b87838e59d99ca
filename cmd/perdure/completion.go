package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/hubs"
)

// What a shell may offer is asked for while somebody types: not many, and not
// for long.
const (
	completionLimit    = 100
	completionPatience = 2 * time.Second
)

// wordsOfTheShell replaces, in the script for bash, the one function that needs
// the package bash-completion: without it the words are those of the shell.
const wordsOfTheShell = `
__perdure_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
    else # the package bash-completion is not installed
        words=("${COMP_WORDS[@]}")
        cword=$COMP_CWORD
        cur=${words[cword]}
        prev=${words[cword-1]}
    fi
}
`

// withoutPackage makes the script that cmd prints work without the package
// bash-completion.
func (t *tool) withoutPackage(cmd *cobra.Command) {
	cmd.Long = strings.Replace(cmd.Long, "This script depends on the 'bash-completion' package.",
		"This script works best with the 'bash-completion' package: without it, values behind = and : are not completed.", 1)
	script := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := script(cmd, args); err != nil {
			return err
		}
		_, err := io.WriteString(t.stdout, wordsOfTheShell)
		return err
	}
}

// candidates asks the hub that the options so far name. Whatever goes wrong,
// there is nothing to offer, and nothing is printed.
func (t *tool) candidates(ask func(context.Context, *hub) []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	var found []string
	t.quietly(func() error {
		return firstError(
			func() error { return t.enter(t.scriptRoot) },
			t.checkAddress,
			func() error {
				return t.withClient(ctx, access{}, func(ctx context.Context, h *hub) error {
					found = ask(ctx, h)
					return nil
				})
			},
		)
	})
	return found, cobra.ShellCompDirectiveNoFileComp
}

// quietly does something without warnings.
func (t *tool) quietly(do func() error) error {
	defer func(w io.Writer) { t.stderr = w }(t.stderr)
	t.stderr = io.Discard
	return do()
}

// completeIDs offers the newest instances whose id begins with what is written.
func (t *tool) completeIDs(_ *cobra.Command, _ []string, written string) ([]string, cobra.ShellCompDirective) {
	return t.candidates(func(ctx context.Context, h *hub) []string {
		page, _ := h.List(ctx, client.Query{IDPrefix: written, PageSize: completionLimit, OmitInput: true, OmitOutput: true})
		var ids []string
		for _, s := range page.Items {
			ids = append(ids, cobra.CompletionWithDesc(string(s.ID), fmt.Sprintf("%s %s", s.Name, s.RuntimeStatus)))
		}
		return ids
	})
}

// completeFunctions offers the orchestrators of the newest instances.
func (t *tool) completeFunctions(_ *cobra.Command, _ []string, written string) ([]string, cobra.ShellCompDirective) {
	return t.candidates(func(ctx context.Context, h *hub) []string {
		page, _ := h.List(ctx, client.Query{PageSize: completionLimit, OmitInput: true, OmitOutput: true})
		var names []string
		for _, s := range page.Items {
			if strings.HasPrefix(s.Name, written) {
				names = append(names, s.Name)
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	})
}

// completeEvents offers the events that the instance waits for.
func (t *tool) completeEvents(id *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		instance := *id
		if instance == "" && len(args) > 0 {
			instance = args[0]
		}
		return t.candidates(func(ctx context.Context, h *hub) []string {
			var names []string
			if e, err := h.Explain(ctx, client.InstanceID(instance)); err == nil {
				for _, w := range e.Waits {
					if w.Kind == "event" {
						names = append(names, w.Name)
					}
				}
			}
			slices.Sort(names)
			return slices.Compact(names)
		})
	}
}

// completeHubs offers the hubs of the store.
func (t *tool) completeHubs(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	var names []string
	if t.enter(t.scriptRoot) == nil {
		if cfg, err := t.config(); err == nil {
			names, _ = hubs.Names(ctx, cfg)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
