package host

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/hubs"
)

// purges is a hub that remembers what it is asked to purge, and when.
type purges struct {
	hub.Hub
	began time.Time
	calls []purge
}

type purge struct {
	After, Age time.Duration // since the start; of what is purged
	Statuses   []history.RuntimeStatus
}

func (p *purges) PurgeBy(_ context.Context, f hub.PurgeFilter) (hub.PurgeResult, error) {
	now := time.Now()
	p.calls = append(p.calls, purge{now.Sub(p.began).Truncate(time.Minute), now.Sub(*f.CompletedTo), f.Statuses})
	return hub.PurgeResult{}, hub.ErrUnavailable // which must not end it
}

func TestRetentionPurgesByAgeAtEachInterval(t *testing.T) {
	const day = 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		hub := &purges{began: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour+time.Minute)
		defer cancel()
		retain(ctx, hub, config.Retention{Completed: 30 * day, Failed: 90 * day, Terminated: 30 * day, Interval: time.Hour}, slog.New(slog.DiscardHandler), time.Now)
		var want []purge
		for _, after := range []time.Duration{0, time.Hour, 2 * time.Hour} {
			want = append(want,
				purge{after, 30 * day, []history.RuntimeStatus{history.Completed, history.Terminated}},
				purge{after, 90 * day, []history.RuntimeStatus{history.Failed}})
		}
		if diff := cmp.Diff(want, hub.calls); diff != "" {
			t.Errorf("purges in two hours and a minute (-want +got):\n%s", diff)
		}
	})
}

func TestRetentionIsOffByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retain(t.Context(), nil, config.Retention{Interval: time.Hour}, nil, time.Now) // returns, and touches no hub
	})
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
				j := hubs.OpenJournal(cfg, slog.New(slog.DiscardHandler))
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
				expireAudit(ctx, j, 5*day+12*time.Hour, clock.now)
				files := 0
				for line, err := range audit.Lines(hubs.AuditDir(cfg)) {
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
