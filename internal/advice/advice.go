// Package advice hides how people are told to do something: the engine says
// which operation would help, and here that becomes a command that can be run.
package advice

import (
	"strings"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Render puts the command into the advice of an explanation. Whoever shows one
// calls it; a second time it changes nothing.
func Render(x *hub.Explanation) {
	x.Advice = strings.ReplaceAll(x.Advice, hub.TheAction, Command(x.Action, x.Target, x.Event))
}

// Command is the line that asks for an operation on an instance. event is the
// name of one that is raised.
func Command(operation string, instance history.InstanceID, event string) string {
	line := "perdure " + operation + " " + option("--id", string(instance))
	if event != "" {
		line += " " + option("--event-name", event)
	}
	return line
}

// option is an option with a value as a shell reads it.
func option(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return name + "=" + quoteWord(value)
	}
	return name + " " + quoteWord(value)
}

// quoteWord is a word as a shell reads it.
func quoteWord(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.:", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
