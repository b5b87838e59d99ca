package docs

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long anything may take before it counts as hanging.
const patience = time.Minute

var (
	goRun   = regexp.MustCompile(`^go run \./examples/([a-z]+)((?: .*)?)\n$`)
	address = regexp.MustCompile(`http://127\.0\.0\.1:(\d+)/`)
)

// session is a reader who follows one document.
type session struct {
	*testing.T
	root, bin string // the repository; where the programs are
	dir       string // where the commands run
	port      string // of the program; 7071 in the document
	app       *app   // nil when none runs
}

// follow does what b says.
func (s *session) follow(b *block) {
	switch {
	case b.lang == "json":
		if err := os.WriteFile(filepath.Join(s.dir, b.arg), []byte(b.text), 0o600); err != nil {
			s.Fatal(err)
		}
	case b.lang != "sh":
	case goRun.MatchString(b.text):
		s.serve(b)
	case checked.MatchString(firstLine(b.text)):
		s.checkTargets(b)
	default:
		s.execute(b)
	}
}

// execute runs commands and compares what they print.
func (s *session) execute(b *block) {
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", s.here(b.text))
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if b.output == nil || b.output.lang == "text" {
		cmd.Stderr = &stdout
	}
	if err := cmd.Run(); err != nil {
		s.Fatalf("%s: %v\n%s\nprinted:\n%s%s", b.place, err, s.here(b.text), &stdout, &stderr)
	}
	if b.output == nil {
		return
	}
	want, got := s.here(b.output.text), stdout.String()
	if b.output.lang == "json" {
		want, got = compact(want), compact(got)
	}
	if !match(want, got) {
		s.Errorf("%s: these commands print something else\n--- want\n%s\n--- got\n%s", b.output.place, want, got)
	}
}

// here is text with the port that stands for 7071.
func (s *session) here(text string) string {
	if s.port == "" {
		return text
	}
	return strings.ReplaceAll(text, "7071", s.port)
}

// checkTargets checks that the Makefile has what b makes.
func (s *session) checkTargets(b *block) {
	makefile, err := os.ReadFile(filepath.Join(s.root, "Makefile"))
	if err != nil {
		s.Fatal(err)
	}
	for line := range strings.Lines(b.text) {
		command := checked.FindStringSubmatch(line)
		if command == nil {
			s.Errorf("%s: a block that makes or measures something holds nothing else, such as %q", b.place, line)
		} else if target := command[1]; target != "" && !strings.Contains("\n"+string(makefile), "\n"+target+":") {
			s.Errorf("%s: the Makefile has no target %s", b.place, target)
		}
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// app is a running program of a document.
type app struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// serve starts the program that b names, on a free port, and reads what it
// prints until that is what b shows, or it can be reached.
func (s *session) serve(b *block) {
	s.stop()
	words := goRun.FindStringSubmatch(b.text)
	a := &app{cmd: exec.Command(filepath.Join(s.bin, words[1]), append(strings.Fields(words[2]), "--port", "0")...)}
	a.cmd.Dir, a.cmd.Stderr = s.dir, &a.stderr
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		s.Fatalf("%s: %v", b.place, err)
	}
	s.app = a
	hang := time.AfterFunc(patience, func() { a.cmd.Process.Kill() })
	defer hang.Stop()

	printed := ""
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		printed += line
		if found := address.FindStringSubmatch(printed); found != nil {
			s.port = found[1]
			if b.output == nil && strings.Contains(printed, "resume:") || b.output != nil && match(s.here(b.output.text), printed) {
				return
			}
		}
		if err != nil {
			a.cmd.Wait()
			s.app = nil
			s.Fatalf("%s: the program ended, or hung, before it printed what is shown; it printed\n%s%s", b.place, printed, &a.stderr)
		}
	}
}

// stop ends the program that runs, as Ctrl-C does.
func (s *session) stop() {
	if s.app == nil {
		return
	}
	a := s.app
	s.app = nil
	hang := time.AfterFunc(patience, func() { a.cmd.Process.Kill() })
	defer hang.Stop()
	a.cmd.Process.Signal(os.Interrupt)
	if err := a.cmd.Wait(); err != nil {
		s.Errorf("%s after Ctrl-C: %v\n%s", filepath.Base(a.cmd.Path), err, &a.stderr)
	}
}
