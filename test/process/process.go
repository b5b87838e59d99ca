// Package process runs the function apps of tests as programs of their own, so
// that they can be killed.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/perdure/perdure/client"
)

// Build compiles the program in dir and returns where it is.
func Build(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", path, dir).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", dir, err, out)
	}
	return path
}

// Process is a running program.
type Process struct {
	*client.Client
	URL  string // of its HTTP server
	cmd  *exec.Cmd
	errs bytes.Buffer
	Gone context.Context // ends when the process has
}

var startURL = regexp.MustCompile(`start: +\[POST\] (http://[^/]+)/`)

// Begin starts the program at path on folder and returns when it serves.
func Begin(t *testing.T, path, folder string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(path, "--port", "0", "--data-dir", folder)}
	p.cmd.Dir = folder
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("stdout of the program: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the program: %v", err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := startURL.FindStringSubmatch(lines.Text()); m != nil {
			p.URL = m[1]
			p.Client = client.Remote(m[1], client.RemoteOptions{})
			break
		}
	}
	if p.Client == nil {
		t.Fatalf("the program does not serve: %v\n%s", p.cmd.Wait(), &p.errs)
	}
	gone, cancel := context.WithCancelCause(context.Background())
	p.Gone = gone
	go func() { // ends with the process; whoever asks gone has waited for it
		for lines.Scan() {
		}
		cancel(fmt.Errorf("the program has ended: %w", p.cmd.Wait()))
	}()
	return p
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// PeakMemory is the most memory that the process has taken so far, in bytes.
// Where the system does not tell, the test is skipped.
func (p *Process) PeakMemory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	m := peak.FindSubmatch(text)
	if err != nil || m == nil {
		t.Skipf("the system does not tell how much memory a process took: %v", err)
	}
	kilobytes, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// Kill ends the process as kill -9 does.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.Gone.Done()
}

// Stop ends the process as Ctrl-C does.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	<-p.Gone.Done()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the program ended with %d after an interrupt\n%s", code, &p.errs)
	}
}
