package crash

import (
	"context"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/test/process"
)

// TestRestoredElsewhere is the drill of docs/backup.md: an app is backed up again and again
// under load and killed; what was acknowledged before the last backup began is in the store
// that is restored elsewhere, and all of it ends as it should.
func TestRestoredElsewhere(t *testing.T) {
	const rounds, share = 3, 70
	program, perdure := process.Build(t, "./program"), process.Build(t, "../../cmd/perdure")
	folder, backup, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "store")
	tool := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(perdure, args...).CombinedOutput(); err != nil {
			t.Fatalf("perdure %v: %v\n%s", args, err, out)
		} else {
			t.Logf("perdure %v\n%s", args, out)
		}
	}

	p := process.Begin(t, program, folder)
	work, acknowledged := newWork(), 0
	for range rounds {
		acknowledged = work.next + share
		work.drive(t.Context(), p.Client, acknowledged)
		ctx, cancel := context.WithCancel(t.Context())
		var meanwhile sync.WaitGroup
		meanwhile.Go(func() { work.drive(ctx, p.Client, instances) })
		tool("backup", backup, "--data-dir", folder)
		cancel()
		meanwhile.Wait()
	}
	p.Kill()

	tool("backup", "verify", backup)
	tool("restore", backup, "--data-dir", elsewhere)
	tool("check", "--data-dir", elsewhere)
	p = process.Begin(t, program, elsewhere)
	for i := range acknowledged {
		if _, err := p.Status(t.Context(), client.InstanceID(work.id(i)), client.StatusOptions{}); err != nil {
			t.Errorf("%s, which was acknowledged before the last backup: %v", work.id(i), err)
		}
	}
	all := work.next
	newWork().drive(t.Context(), p.Client, all) // what is there stays as it is
	for i := range all {
		checkEnded(t, p, work, i)
	}
	p.Stop(t)
	tool("check", "--data-dir", elsewhere)
	checkStore(t, elsewhere, withChildren(all))
}
