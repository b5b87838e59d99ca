package host_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
)

const restoredLine = "the store was restored from a backup"

// A running host makes the backup; the first start on what is restored tells, once, what
// that is, and the keys are those that there were.
func TestBackupOfARunningHostAndTheFirstStartAfterItsRestore(t *testing.T) {
	dir, backup, elsewhere := withHostJSON(t, `"management":{"requireKey":true}`), filepath.Join(t.TempDir(), "b"), t.TempDir()
	var log journal
	r := start(t, dir, host.Options{Logger: log.logger()})
	if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client.WaitStarted(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hubs.Backup(t.Context(), cfg, backup); err != nil {
		t.Fatalf("Backup error: %v", err)
	}
	if _, err := hubs.Backup(t.Context(), cfg, filepath.Join(cfg.DataDir, "b")); err == nil || !strings.Contains(err.Error(), "is in the store's folder") {
		t.Errorf("Backup into the store error = %v, want a refusal", err)
	}
	r.stop(t)
	var results []any
	for _, entry := range log.changes(t) {
		if entry["what"] == "backup" {
			results = append(results, entry["result"] == "ok")
		}
	}
	if len(results) != 2 || results[0] != true || results[1] != false {
		t.Errorf("the log has backups %v, want one that succeeded and one that did not", results)
	}
	key := theKey(t, dir)

	data := filepath.Join(elsewhere, ".perdure")
	b, restored, err := hubs.Restore(t.Context(), backup, data)
	if err != nil {
		t.Fatalf("Restore error: %v", err)
	}
	if len(restored) != 1 || restored[0].Name != "DurableFunctionsHub" || restored[0].Counts.Total() != 1 || len(restored[0].Activities) > 0 {
		t.Errorf("Restore tells of %+v, want one instance that waits", restored)
	}
	if got := theKey(t, elsewhere); got != key {
		t.Errorf("the key is another one")
	}
	for first := range 2 {
		var log journal
		r := start(t, elsewhere, host.Options{Logger: log.logger()})
		if told := strings.Count(log.String(), restoredLine); told != 1-first {
			t.Errorf("start %d tells %d times of the restore, want %d", first+1, told, 1-first)
		}
		if st, err := r.Client.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.RuntimeStatus != client.Running {
			t.Errorf("Status = %+v, %v; want Running", st, err)
		}
		r.stop(t)
	}
	if note, err := hubs.FindRestored(data); err != nil || note == nil || !note.Made.Equal(b.Made) {
		t.Errorf("FindRestored = %+v, %v; want the backup of %v", note, err, b.Made)
	}
	if err := os.WriteFile(filepath.Join(data, "restored"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := hubs.FindRestored(data); err == nil {
		t.Errorf("FindRestored of a damaged note error = nil")
	}
}

func TestOnlyTheCommandLineMakesABackup(t *testing.T) {
	dir := withHostJSON(t, `"management":{"requireKey":true}`)
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	to := filepath.Join(t.TempDir(), "b")
	for _, headers := range [][]string{nil, {"x-functions-key", theKey(t, dir)}} {
		if code, _ := request(t, http.MethodPost, r.URL+"/admin/perdure/backup?dir="+to, headers...); code != 401 {
			t.Errorf("POST backup with %q = %d, want 401", headers, code)
		}
	}
	if _, err := os.Stat(to); err == nil {
		t.Errorf("a backup was made")
	}
}
