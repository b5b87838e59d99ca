package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// isTerminal reports whether a stream is a person's.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// confirm asks a person to agree to what cannot be undone. Without one, --yes
// must have agreed beforehand; the original never asks.
func (t *tool) confirm(yes bool, question string) error {
	if yes || t.coreTools {
		return nil
	}
	if !t.atTerminal(t.stdin) {
		return usage("%s: nobody can be asked, since standard input is not a terminal; --yes agrees beforehand", t.name)
	}
	fmt.Fprintf(t.stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(t.stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("%s: not confirmed, nothing was done", t.name)
}
