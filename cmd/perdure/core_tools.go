package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Compatibility with the original, chosen by --compat core-tools or
// PERDURE_COMPAT (docs/contracts/cli.md 8 and the rows marked [K] of 10): its
// exit codes, its streams, and what it forgives. Commands ask t.coreTools where
// they differ; the rest is here.
const coreTools = "core-tools"

// readCompat finds out the mode before anything else is read.
func (t *tool) readCompat(args []string) error {
	mode := t.variable("PERDURE_COMPAT")
	origin := "PERDURE_COMPAT"
	for i, arg := range args {
		if arg == "--" {
			break
		}
		name, value, given := splitOption(arg)
		if name != "--compat" {
			continue
		}
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		mode, origin = value, "--compat"
	}
	switch mode {
	case coreTools:
		t.coreTools = true
	case "", "none":
	default:
		return usage("%s %s: the value is core-tools or none", origin, mode)
	}
	return nil
}

// unquote drops the quotes around values, as the original does to all.
func unquote(args []string) ([]string, error) {
	out := make([]string, len(args))
	for i, arg := range args {
		if name, value, given := splitOption(arg); given && isOption(arg) && options[name] != boolean {
			bare := strings.Trim(value, `"`)
			if bare == "" && options[name] != payload {
				return nil, syntax("%s needs a value", name)
			}
			arg = name + "=" + bare
		}
		out[i] = arg
	}
	return out, nil
}

// forgive makes commands ignore what they do not know.
func forgive(root *cobra.Command) {
	for _, cmd := range append(root.Commands(), root) {
		cmd.FParseErrWhitelist.UnknownFlags = !destroys(cmd.Name())
	}
}

// destroys reports whether a command removes many instances. It forgives
// nothing: an option that is dropped there removes more than was meant.
func destroys(name string) bool { return name == "purge-history" || name == "delete-task-hub" }

// answer returns the exit code of the original for err, having told it the way
// the original does: help for a command line that cannot be read.
func (t *tool) answer(root *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	if !isSyntax(err) || destroys(t.name) {
		t.printError(err)
		return 1
	}
	cmd, _, unknown := root.Find([]string{t.name})
	if unknown != nil || t.name == "" {
		fmt.Fprintln(t.stderr, err)
		cmd = root
	}
	cmd.Help()
	return 0
}
