package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what is known of this build: its version, and the commit with its
// date when it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	commit, date := settings["vcs.revision"], settings["vcs.time"]
	if commit == "" {
		return text
	}
	text += fmt.Sprintf(" (commit %.12s of %s", commit, date)
	if settings["vcs.modified"] == "true" {
		text += ", with changes"
	}
	return text + ")"
}

func (t *tool) versionCommand() *cobra.Command {
	cmd := t.newCommand("version", "Show which build this is", "perdure version")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.show(sentence("perdure version "+version(), object{{"version", version()}}))
	}
	return cmd
}
