package hubs

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

// What an app does all day asks nothing of the audit, and needs no more memory than what is logged of it.
func TestWhatTheAppStartsCostsNoAudit(t *testing.T) {
	r := &Hub{Hubs: &Hubs{Journal: nil}, Log: slog.New(slog.DiscardHandler), Name: "H"} // a use of it would panic
	a, ctx := audited{Hub: r, who: ByApp}, t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		for _, what := range []string{"start", "raise-event"} {
			c, err := a.ask(ctx, what, "x", "")
			if err != nil || c.noted > 0 {
				t.Errorf("ask(%s) = %d, %v, want no line", what, c.noted, err)
			}
			c.done(ctx, nil)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a start and an event, want none", allocs)
	}
}

// Retention looks again and again: only when there is something to purge is that a change.
func TestRetentionIsAuditedWhenItPurges(t *testing.T) {
	cfg := &config.Config{DataDir: filepath.Join(t.TempDir(), "data"), Management: config.Management{AuditRequired: true}}
	db, err := embedded.Open(cfg.DataDir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := db.Hub("H", store.HubOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", func(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) { return in, nil })
	hubs := New(embedded.Provider{DB: db}, cfg, engine.Options{}, OpenJournal(cfg, slog.New(slog.DiscardHandler)))
	r, err := hubs.Run(store, app)
	if err != nil {
		t.Fatal(err)
	}
	defer hubs.Stop()
	if _, err := r.ForProgram(ByApp).Start(t.Context(), hub.StartRequest{ID: "x", Name: "Echo"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ForProgram(ByApp).Wait(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ago            time.Duration
		deleted, lines int
	}{{time.Hour, 0, 0}, {-time.Hour, 1, 3}, {-time.Hour, 0, 3}} { // the first line of the file is one
		f := hub.PurgeFilter{Query: history.Query{CompletedTo: new(time.Now().Add(-step.ago))}}
		result, err := r.ForProgram(ByRetention).PurgeBy(t.Context(), f)
		if err != nil || result.Deleted != step.deleted || !result.Complete {
			t.Errorf("PurgeBy(%v ago) = %+v, %v, want %d deleted", step.ago, result, err, step.deleted)
		}
		if report, err := audit.Verify(AuditDir(cfg), ""); err != nil || report.Lines != step.lines {
			t.Errorf("after PurgeBy(%v ago): Verify() = %+v, %v, want %d lines", step.ago, report, err, step.lines)
		}
	}
}

// A key that the audit does not tell of opens nothing; once it can be told, it does.
func TestKeysThatCannotBeAuditedDoNotCount(t *testing.T) {
	cfg := &config.Config{DataDir: t.TempDir(), Management: config.Management{AuditRequired: true}}
	j := OpenJournal(cfg, slog.New(slog.DiscardHandler))
	defer j.Close()
	ring, err := NewKeyring(cfg, slog.New(slog.DiscardHandler), j.NoteKeys)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(cfg, ring.Names); err != nil {
		t.Fatal(err)
	}
	away := AuditDir(cfg) + ".away"
	if err := errors.Join(os.Rename(AuditDir(cfg), away), os.WriteFile(AuditDir(cfg), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := writeKeys(KeysPath(cfg.DataDir), append(ring.Names, storedKey{Name: "ci", Value: "SIXTEEN-OR-MORE-CHARACTERS"})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := len(ring.Current()); n != 1 {
			t.Errorf("%d keys count while the audit cannot be written, want the one of before", n)
		}
	}
	if err := errors.Join(os.Remove(AuditDir(cfg)), os.Rename(away, AuditDir(cfg))); err != nil {
		t.Fatal(err)
	}
	if n := len(ring.Current()); n != 2 {
		t.Errorf("%d keys count once it can be written, want 2", n)
	}
	told := 0
	for line, err := range audit.Lines(AuditDir(cfg)) {
		if err != nil {
			t.Fatal(err)
		}
		if line.What == "keys" {
			told++
		}
	}
	if report, err := audit.Verify(AuditDir(cfg), ""); err != nil || told != 1 || len(report.Faults) > 0 {
		t.Errorf("%d lines tell of it, and Verify() = %+v, %v; want one line, and it whole", told, report, err)
	}
}
