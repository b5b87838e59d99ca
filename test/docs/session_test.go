package docs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long anything may take before it counts as hanging. Some
// commands build programs.
const patience = 5 * time.Minute

var (
	goRun   = regexp.MustCompile(`^go run \.(?:/examples/([a-z]+))?((?: .*)?)\n$`)
	kill    = regexp.MustCompile(`^pkill -9 ([a-z]+)\n$`)
	address = regexp.MustCompile(`http://127\.0\.0\.1:(\d+)/`)
)

// session is a reader who follows one document.
type session struct {
	*testing.T
	root, bin string // the repository; where the programs are
	dir       string // where the commands run
	own       string // where the reader's own go puts programs
	port      string // of the program; 7071 in the document
	app       *app   // nil when none runs
}

// follow does what b says.
func (s *session) follow(b *block) {
	switch {
	case b.isFile():
		if err := os.WriteFile(filepath.Join(s.dir, b.arg), []byte(b.text), 0o600); err != nil {
			s.Fatal(err)
		}
	case b.lang != "sh":
	case goRun.MatchString(b.text):
		s.serve(b)
	case kill.MatchString(b.text):
		s.kill(b)
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
	cmd.Dir, cmd.Env = s.dir, s.env()
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

// env is that of the reader's commands. Their go may add to go.mod what replace
// brings along.
func (s *session) env() []string {
	path := strings.Join([]string{s.own, s.bin, os.Getenv("PATH")}, string(filepath.ListSeparator))
	return append(os.Environ(), "PATH="+path, "GOBIN="+s.own, "GOFLAGS=-mod=mod")
}

// here is text with the port that stands for 7071, and with this repository in the
// place of the newest release.
func (s *session) here(text string) string {
	const module = "github.com/perdure/perdure"
	text = strings.ReplaceAll(text, "go get "+module+"@latest",
		fmt.Sprintf("go mod edit -require=%s@v0.0.0 -replace=%[1]s='%s' && cp '%[2]s/go.sum' .", module, s.root))
	text = strings.ReplaceAll(text, module+"/cmd/perdure@latest", module+"/cmd/perdure")
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
	cmd     *exec.Cmd
	stdout  *bufio.Reader
	printed string // what was read of stdout
	stderr  bytes.Buffer
}

// serve starts the program that b names, on a free port, and reads what it
// prints until that is what b shows, or it can be reached.
func (s *session) serve(b *block) {
	s.stop()
	words := goRun.FindStringSubmatch(b.text)
	program := filepath.Join(s.bin, words[1])
	if words[1] == "" {
		program = s.build(b)
	}
	a := &app{cmd: exec.Command(program, append(strings.Fields(words[2]), "--port", "0")...)}
	a.cmd.Dir, a.cmd.Stderr = s.dir, &a.stderr
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	a.stdout = bufio.NewReader(stdout)
	if err := a.cmd.Start(); err != nil {
		s.Fatalf("%s: %v", b.place, err)
	}
	s.app = a
	s.read(b, func() bool {
		found := address.FindStringSubmatch(a.printed)
		if found == nil {
			return false
		}
		s.port = found[1]
		return b.output == nil && strings.Contains(a.printed, "resume:") || b.output != nil && match(s.here(b.output.text), a.printed)
	})
}

// build builds the reader's own program and returns its path.
func (s *session) build(b *block) string {
	s.goCommand(b, "install", ".")
	return strings.TrimSpace(s.goCommand(b, "list", "-f", "{{.Target}}", "."))
}

func (s *session) goCommand(b *block, args ...string) (stdout string) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(s.Context(), "go", args...)
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.env(), &stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("%s: go %s: %v\n%s", b.place, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// read reads what the program prints until enough says so.
func (s *session) read(b *block, enough func() bool) {
	a := s.app
	hang := time.AfterFunc(patience, func() { a.cmd.Process.Kill() })
	defer hang.Stop()
	for !enough() {
		line, err := a.stdout.ReadString('\n')
		a.printed += line
		if err != nil && !enough() {
			a.cmd.Wait()
			s.app = nil
			s.Fatalf("%s: the program ended, or hung, before it printed what is shown; it printed\n%s%s", b.place, a.printed, &a.stderr)
		}
	}
}

// kill kills the program that runs, once it has printed what b shows.
func (s *session) kill(b *block) {
	a := s.app
	if name := kill.FindStringSubmatch(b.text)[1]; a == nil || filepath.Base(a.cmd.Path) != name {
		s.Fatalf("%s: no %s runs", b.place, name)
	}
	if b.output == nil {
		s.Fatalf("%s: what did the program print until then?", b.place)
	}
	s.read(b, func() bool { return match(s.here(b.output.text), a.printed) })
	s.app = nil
	a.cmd.Process.Kill()
	a.cmd.Wait()
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
