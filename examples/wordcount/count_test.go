package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const kills = 5

// TestKilledCountEqualsSinglePass kills the program again and again and compares
// what it comes to with a single pass over the same files.
func TestKilledCountEqualsSinglePass(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env GOROOT: %v", err)
	}
	want := singlePass(t, filepath.Join(strings.TrimSpace(string(goroot)), "src"))

	program := filepath.Join(t.TempDir(), "wordcount")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	began := time.Now()
	compare(t, "left alone", want, begin(t, program, t.TempDir()).finish(t))
	whole := time.Since(began)

	folder := t.TempDir()
	for kill := range kills {
		p := begin(t, program, folder)
		p.readUntil(t, "resume:") // it serves, and counts
		// All kills together take less than half of what an undisturbed run
		// takes, so each of them hits a count under way.
		time.AfterFunc(whole/20+rand.N(whole/20), func() { p.cmd.Process.Kill() })
		rest, _ := io.ReadAll(p.out)
		p.cmd.Wait()
		if strings.Contains(string(rest), "Result") {
			t.Fatalf("kill %d came after the result", kill)
		}
	}
	compare(t, "killed", want, begin(t, program, folder).finish(t))
}

func compare(t *testing.T, what string, want, got Result) {
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result of a count %s differs from the single pass (-want +got):\n%s", what, diff)
	}
}

// finish reads the result and ends the process as Ctrl-C would.
func (p *process) finish(t *testing.T) (r Result) {
	p.readUntil(t, "Result of wordcount:")
	if err := json.NewDecoder(p.out).Decode(&r); err != nil {
		t.Fatalf("result: %v", err)
	}
	p.cmd.Process.Signal(os.Interrupt)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("wordcount after an interrupt: %v\n%s", err, &p.errs)
	}
	return r
}

func singlePass(t *testing.T, root string) Result {
	files, err := ListFiles(t.Context(), root)
	if err != nil {
		t.Fatalf("list files: %v", err)
	}
	tally, err := CountFiles(t.Context(), files)
	if err != nil {
		t.Fatalf("count files: %v", err)
	}
	return tally.result()
}

// process is a running wordcount.
type process struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	errs bytes.Buffer
}

func begin(t *testing.T, program, folder string) *process {
	p := &process{cmd: exec.Command(program, "--port", "0", "--data-dir", folder)}
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=2") // so that it takes a while everywhere
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("stdout of wordcount: %v", err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start wordcount: %v", err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// readUntil reads lines of the output up to one that holds text.
func (p *process) readUntil(t *testing.T, text string) {
	for {
		line, err := p.out.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			p.cmd.Wait()
			t.Fatalf("wordcount ended before it printed %q: %v\n%s", text, err, &p.errs)
		}
	}
}
