package main

import (
	"cmp"
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
	list                // --x value value ..., also with blanks or commas inside a value
)

// options are all options with their inherited grammar (docs/contracts/cli.md
// 1.3). What differs from the flag library's is undone here, before that sees
// it; options that are not here are left for it to complain about.
var options = map[string]kind{
	"--function-name": text, "-n": text,
	"--id": text, "-i": text,
	"--input": payload, "--input-file": text, "--input-string": payload,
	"--event-name": text,
	"--event-data": payload, "--event-data-file": text, "--event-data-string": payload,
	"--show-input": boolean, "--show-output": boolean,
	"--reason":  text,
	"--version": text, // of start-new; alone it is the tool's
	"--tag":     text, "--start-at": text, "--on-conflict": text,

	"--created-after": text, "--created-before": text, "--runtime-status": list, "--id-prefix": text, "--parent": text,
	"--top": text, "--limit": text, "--all": boolean, "--continuation-token": text, "--count": boolean,
	"--raw": boolean, "--create": boolean,
	"--older-than": text,

	"--wait": boolean, "--no-wait": boolean, "--timeout": text, "--for": text,
	"--watch": boolean, "--follow": boolean,
	"--recursive": boolean, "--force": boolean, "--same-id": boolean, "--no-check": boolean,
	"--dry-run": boolean, "--yes": boolean, "-y": boolean,
	"--last": text, "--head": text, "--role": text,

	"--task-hub-name": text, "-t": text,
	"--connection-string-setting": text,
	"--data-dir":                  text,
	"--url":                       text, "--key": text, "--ca-file": text, "--cert": text, "--cert-key": text,
	"--output": text, "-o": text, "--no-headers": boolean, "--color": text,
	"--script-root": text, "--prefix": text,
	"--compat":  text,
	"--verbose": boolean,
}

// longNames are the options with two names.
var longNames = map[string]string{
	"-n": "--function-name", "-i": "--id", "-y": "--yes", "-t": "--task-hub-name", "-o": "--output", "--prefix": "--script-root",
}

// several are the options that may be repeated: all of their values count.
var several = []string{"--tag", "--runtime-status"}

// globals are options that act before any command.
type globals struct {
	dir   string // --script-root or --prefix
	twice string // an option that is given twice though only one of its values can count; empty: none
}

// normalize turns an inherited command line into one for the flag library:
// every value is joined to its option with '=', command names are lower case,
// "durable" in front of one is gone, and every spelling of help is --help.
func normalize(args []string) ([]string, globals, error) {
	var out, words, dashed []string
	var g globals
	given := map[string]bool{}
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		return completionWords(args), g, nil
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			for _, word := range args[i+1:] {
				if isOption(word) {
					dashed = append(dashed, word)
				} else {
					words = append(words, word)
				}
			}
			i = len(args)
			continue
		case isHelp(arg):
			out = append(out, "--help")
			continue
		case !isOption(arg):
			words = append(words, arg)
			continue
		}
		name, value, joined := splitOption(arg)
		kind, known := options[name]
		if !known || name == "--version" && !starts(words) {
			out = append(out, arg)
			continue
		}
		long := cmp.Or(longNames[name], name)
		again := given[long] && !slices.Contains(several, long)
		given[long] = true
		if !joined {
			var err error
			if value, i, err = nextValue(args, i, name, kind); err != nil {
				return nil, g, err
			}
		}
		value, err := checkValue(name, value, kind)
		if err != nil {
			return nil, g, err
		}
		switch {
		case again: // the first one counts, where that is allowed
			g.twice = cmp.Or(g.twice, long)
		case long == "--script-root":
			g.dir = filepath.Clean(value)
		default:
			out = append(out, name+"="+value)
		}
	}
	if dashed != nil { // words that look like options
		out = append(append(out, "--"), dashed...)
	}
	return append(commandWords(words), out...), g, nil
}

// checkValue returns the value as the flag library takes it.
func checkValue(name, value string, kind kind) (string, error) {
	switch kind {
	case boolean:
		lower := strings.ToLower(value)
		if lower != "true" && lower != "false" {
			return "", syntax("%s %s: the value is true or false", name, value)
		}
		return lower, nil
	case text:
		if value == "" {
			return "", syntax("%s needs a value", name)
		}
	}
	return value, nil
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

// completionWords are those of a shell that asks what may follow; the last word
// is still being written, so it stays as it is.
func completionWords(args []string) []string {
	written := args[1:max(1, len(args)-1)]
	return slices.Concat(args[:1], commandWords(written), args[1+len(written):])
}

// starts reports whether the command is start-new.
func starts(words []string) bool {
	words = commandWords(words)
	return len(words) > 0 && (words[0] == "start-new" || slices.Contains(shortNames["start-new"], words[0]))
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
	case kind == boolean && (!exists || isOption(next) || looksLikeName(args, next)):
		return "true", i, nil
	case kind == boolean:
		return next, i + 1, nil
	case exists && next == "--" && i+2 < len(args):
		return args[i+2], i + 2, nil
	case !exists:
		return "", i, syntax("%s needs a value", name)
	case isOption(next):
		return "", i, syntax("%s needs a value; one that begins with '-' is written %s=%s", name, name, next)
	case kind == list:
		end := i + 1
		for end < len(args) && !isOption(args[end]) {
			end++
		}
		return strings.Join(args[i+1:end], ","), end - 1, nil
	}
	return next, i + 1, nil
}

// looksLikeName reports whether the word after a boolean option is no value of
// it but the id or name that the command is about, as in "purge-history
// --dry-run order-17": it does not look like a boolean, and nothing else says
// the id or name.
func looksLikeName(args []string, word string) bool {
	switch strings.ToLower(word) {
	case "true", "false", "yes", "no", "on", "off", "0", "1", "":
		return false
	}
	for _, arg := range args {
		switch name, _, _ := splitOption(arg); name {
		case "--id", "-i", "--function-name", "-n":
			return false
		}
	}
	return true
}
