package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
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
	r := &running{hubs: &hubs{journal: nil}, log: slog.New(slog.DiscardHandler), name: "H"} // a use of it would panic
	a, ctx := audited{running: r, who: byApp}, t.Context()
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

func TestFilesOfTheAuditExpireByAClockThatIsSet(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		ahead time.Duration // of the clock, from the first hour on
		files int           // of those of ten days, and one that tells what is removed
	}{
		"right":           {0, 7},
		"a century ahead": {100 * 365 * day, 7},
		"a century back":  {-100 * 365 * day, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := &config.Config{DataDir: t.TempDir()}
				j := openJournal(cfg, slog.New(slog.DiscardHandler))
				defer j.Close()
				for range 10 {
					if _, err := j.Append(slog.String("what", "x")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(day)
				}
				clock := new(badClock)
				time.AfterFunc(time.Minute, func() { clock.setAhead(test.ahead) })
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute) // it looks once
				defer cancel()
				j.expire(ctx, 5*day+12*time.Hour, clock.now)
				files := 0
				for line, err := range audit.Lines(AuditDir(cfg)) {
					if err != nil {
						t.Fatal(err)
					}
					if line.What == "file" {
						files++
					}
				}
				if want := test.files; files != want {
					t.Errorf("%d files are kept, want %d", files, want)
				}
			})
		})
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
	hubs := newHubs(embedded.Provider{DB: db}, cfg, engine.Options{}, openJournal(cfg, slog.New(slog.DiscardHandler)))
	r, err := hubs.run(store, app)
	if err != nil {
		t.Fatal(err)
	}
	defer hubs.stop()
	if _, err := r.forProgram(byApp).Start(t.Context(), hub.StartRequest{ID: "x", Name: "Echo"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.forProgram(byApp).Wait(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ago            time.Duration
		deleted, lines int
	}{{time.Hour, 0, 0}, {-time.Hour, 1, 3}, {-time.Hour, 0, 3}} { // the first line of the file is one
		f := hub.PurgeFilter{Query: history.Query{CompletedTo: new(time.Now().Add(-step.ago))}}
		result, err := r.forProgram(byRetention).PurgeBy(t.Context(), f)
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
	j := openJournal(cfg, slog.New(slog.DiscardHandler))
	defer j.Close()
	ring, err := newKeyring(cfg, slog.New(slog.DiscardHandler), j.noteKeys)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.begin(cfg, ring.names); err != nil {
		t.Fatal(err)
	}
	away := AuditDir(cfg) + ".away"
	if err := errors.Join(os.Rename(AuditDir(cfg), away), os.WriteFile(AuditDir(cfg), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := writeKeys(keysPath(cfg.DataDir), append(ring.names, storedKey{Name: "ci", Value: "SIXTEEN-OR-MORE-CHARACTERS"})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := len(ring.current()); n != 1 {
			t.Errorf("%d keys count while the audit cannot be written, want the one of before", n)
		}
	}
	if err := errors.Join(os.Remove(AuditDir(cfg)), os.Rename(away, AuditDir(cfg))); err != nil {
		t.Fatal(err)
	}
	if n := len(ring.current()); n != 2 {
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
