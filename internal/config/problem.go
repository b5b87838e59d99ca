package config

import "strings"

// Problem is one mistake in the configuration.
type Problem struct {
	Source string // file path, environment variable or flag
	Key    string // path of the key in it, as written; empty for the whole source
	Text   string
}

// String renders the problem as "source: key: text".
func (p Problem) String() string {
	if p.Key == "" {
		return p.Source + ": " + p.Text
	}
	return p.Source + ": " + p.Key + ": " + p.Text
}

// Error is what [Load] returns: everything that is wrong, one line each.
type Error struct {
	Problems []Problem
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
