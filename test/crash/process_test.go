package crash

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/perdure/perdure/client"
)

// build compiles the program under test.
func build(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", path, "./program").CombinedOutput(); err != nil {
		t.Fatalf("go build ./program: %v\n%s", err, out)
	}
	return path
}

// process is a running program.
type process struct {
	*client.Client
	cmd  *exec.Cmd
	errs bytes.Buffer
	gone context.Context // ends when the process has
}

var startURL = regexp.MustCompile(`start: +\[POST\] (http://[^/]+)/`)

// begin starts the program on folder and returns when it serves.
func begin(t *testing.T, path, folder string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, "--port", "0", "--data-dir", folder)}
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
			p.Client = client.Remote(m[1], client.RemoteOptions{})
			break
		}
	}
	if p.Client == nil {
		t.Fatalf("the program does not serve: %v\n%s", p.cmd.Wait(), &p.errs)
	}
	gone, cancel := context.WithCancelCause(context.Background())
	p.gone = gone
	go func() { // ends with the process; whoever asks gone has waited for it
		for lines.Scan() {
		}
		cancel(fmt.Errorf("the program has ended: %w", p.cmd.Wait()))
	}()
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.gone.Done()
}

// stop ends the process as Ctrl-C does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	<-p.gone.Done()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the program ended with %d after an interrupt\n%s", code, &p.errs)
	}
}
