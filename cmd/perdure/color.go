package main

import (
	"strings"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/nearest"
)

// colorModes are the values of --color.
var colorModes = []string{"auto", "always", "never"}

// statusColors are the codes of a terminal for statuses.
var statusColors = map[string]string{
	history.Completed.String():  "32", // green
	history.Failed.String():     "31", // red
	history.Terminated.String(): "33", // yellow
	history.Canceled.String():   "33",
	history.Suspended.String():  "35", // magenta
	history.Running.String():    "36", // cyan
	history.Pending.String():    "36",
}

// paint gives a status its color; any other text stays as it is.
func (t *tool) paint(text string) string {
	code, ok := statusColors[strings.TrimSpace(text)]
	if !ok || !t.colors() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// colors reports whether stdout is in color: on a terminal, unless the
// environment or --color says otherwise.
func (t *tool) colors() bool {
	switch {
	case t.color == "always":
		return true
	case t.color == "never", t.coreTools, t.variable("NO_COLOR") != "", t.variable("CLICOLOR") == "0", t.variable("TERM") == "dumb":
		return false
	}
	return t.atTerminal(t.stdout)
}

func (t *tool) checkColor() error {
	for _, known := range append(colorModes, "") {
		if t.color == known {
			return nil
		}
	}
	return usage("--color %s: the value is auto, always or never%s", t.color, nearest.Hint(t.color, colorModes))
}
