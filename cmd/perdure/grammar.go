package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// kind is how an option takes its value.
type kind int

const (
	boolean kind = iota // --x, --x true, --x=false, in any letter case
	text                // --x value, not empty
	payload             // --x value, may be empty
)

// options are all options with their inherited grammar (spec/cli.md 1.3). What
// differs from the flag library's is undone here, before that sees it; options
// that are not here are left for it to complain about.
var options = map[string]kind{
	"--function-name": text, "-n": text,
	"--id": text, "-i": text,
	"--input":        payload,
	"--input-string": payload,
	"--show-input":   boolean,
	"--show-output":  boolean,

	"--task-hub-name": text, "-t": text,
	"--connection-string-setting": text,
	"--data-dir":                  text,
	"--output":                    text, "-o": text,
	"--script-root": text, "--prefix": text,
	"--verbose": boolean,
}

// globals are options that act before any command.
type globals struct {
	dir string // --script-root or --prefix; the first one counts
}

// normalize turns an inherited command line into one for the flag library:
// every value is joined to its option with '=', command names are lower case,
// "durable" in front of one is gone, and every spelling of help is --help.
func normalize(args []string) ([]string, globals, error) {
	var out, words []string
	var g globals
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			words = append(words, args[i+1:]...)
			i = len(args)
			continue
		case isHelp(arg):
			out = append(out, "--help")
			continue
		case !isOption(arg):
			words = append(words, arg)
			continue
		}
		name, value, given := splitOption(arg)
		kind, known := options[name]
		if !known {
			out = append(out, arg)
			continue
		}
		if !given {
			var err error
			if value, i, err = nextValue(args, i, name, kind); err != nil {
				return nil, g, err
			}
		}
		if kind == boolean {
			value = strings.ToLower(value)
			if value != "true" && value != "false" {
				return nil, g, usage("%s %s: the value is true or false", name, value)
			}
		}
		if kind == text && value == "" {
			return nil, g, usage("%s needs a value", name)
		}
		if name == "--script-root" || name == "--prefix" {
			if g.dir == "" {
				g.dir = filepath.Clean(value)
			}
			continue
		}
		out = append(out, name+"="+value)
	}
	return append(commandWords(words), out...), g, nil
}

// commandWords folds the command's name and drops the context in front of it.
func commandWords(words []string) []string {
	words = slices.Clone(words)
	at := 0
	if len(words) > 0 && strings.EqualFold(words[0], "help") {
		words[0], at = "help", 1
	}
	if at < len(words) && strings.EqualFold(words[at], "durable") {
		words = slices.Delete(words, at, at+1)
	}
	if at < len(words) {
		words[at] = strings.ToLower(words[at])
	}
	return words
}

func isOption(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

func isHelp(arg string) bool {
	if !isOption(arg) {
		return false
	}
	word := strings.TrimLeft(arg, "-")
	return word == "help" || word == "h" || word == "?"
}

// splitOption splits at the first '=' or ':'.
func splitOption(arg string) (name, value string, given bool) {
	if at := strings.IndexAny(arg, "=:"); at >= 0 {
		return arg[:at], arg[at+1:], true
	}
	return arg, "", false
}

// nextValue takes the value of the option at i from the words after it and
// returns where it ends.
func nextValue(args []string, i int, name string, kind kind) (string, int, error) {
	next, exists := "", i+1 < len(args)
	if exists {
		next = args[i+1]
	}
	switch {
	case kind == boolean && (!exists || isOption(next)):
		return "true", i, nil
	case kind == boolean:
		return next, i + 1, nil
	case exists && next == "--" && i+2 < len(args):
		return args[i+2], i + 2, nil
	case !exists:
		return "", i, usage("%s needs a value", name)
	case isOption(next):
		return "", i, usage("%s needs a value; one that begins with '-' is written %s=%s", name, name, next)
	}
	return next, i + 1, nil
}
