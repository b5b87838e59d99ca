package host

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/client"
)

// ticks runs f in virtual time, from midnight UTC on 2000-01-01, for so long and
// returns what was logged.
func ticks(t *testing.T, f TickFunction, long time.Duration) string {
	t.Helper()
	var log strings.Builder
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		f.run(ctx, nil, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	})
	return log.String()
}

func TestTimerRunsAtNoonUTC(t *testing.T) {
	var got []TickTime
	ticks(t, TickFunction{"Noon", "0 0 12 * * *", func(_ context.Context, _ *client.Client, tick TickTime) error {
		if now := time.Now(); !now.Equal(tick.Due) {
			t.Errorf("at %v the tick of %v", now, tick.Due)
		}
		got = append(got, tick)
		return nil
	}}, 48*time.Hour)
	noon := func(day int) time.Time { return time.Date(2000, 1, day, 12, 0, 0, 0, time.UTC) }
	if diff := cmp.Diff([]TickTime{{noon(1), noon(2)}, {noon(2), noon(3)}}, got); diff != "" {
		t.Errorf("ticks of two days (-want +got):\n%s", diff)
	}
}

func TestTimerSkipsTicksWhileItRuns(t *testing.T) {
	var got []int
	log := ticks(t, TickFunction{"Slow", "@every 1m", func(ctx context.Context, _ *client.Client, tick TickTime) error {
		got = append(got, tick.Due.Minute())
		sleep(ctx, 150*time.Second)
		return nil
	}}, 7*time.Minute)
	if diff := cmp.Diff([]int{1, 4}, got); diff != "" {
		t.Errorf("minutes at which a function of two and a half minutes began (-want +got):\n%s", diff)
	}
	if !strings.Contains(log, "ticks are skipped") {
		t.Errorf("log:\n%s\nwant it to say that ticks are skipped", log)
	}
}

func TestTimerGoesOnAfterErrorsAndPanics(t *testing.T) {
	n := 0
	log := ticks(t, TickFunction{"Bad", "*/10 * * * * *", func(context.Context, *client.Client, TickTime) error {
		switch n++; n {
		case 1:
			return errors.New("broken")
		case 2:
			panic("split")
		}
		return nil
	}}, 31*time.Second)
	if n != 3 || !strings.Contains(log, "broken") || !strings.Contains(log, "panic: split") || !strings.Contains(log, "function=Bad") {
		t.Errorf("%d calls, log:\n%s\nwant 3, the error and the panic", n, log)
	}
}

func TestTriggerMistakesAreStartUpErrors(t *testing.T) {
	nothing := func(context.Context, *client.Client, TickTime) error { return nil }
	handler := func(*client.Client) http.Handler { return http.NotFoundHandler() }
	for want, option := range map[string]MainOption{
		"timer function Five: schedule \"0 12 * * *\"": Tick("Five", "0 12 * * *", nothing),
		"six fields":                         Tick("Five", "0 12 * * *", nothing),
		"above maximum":                      Tick("High", "0 0 25 * * *", nothing),
		"timer function Feb: ":               Tick("Feb", "0 0 0 30 2 *", nothing),
		"never comes":                        Tick("Feb", "0 0 0 30 2 *", nothing),
		"in UTC":                             Tick("Zone", "CRON_TZ=Asia/Tokyo 0 0 12 * * *", nothing),
		"timer function Cut":                 Tick("Cut", "TZ=", nothing),
		"timer function Empty":               Tick("Empty", "", nothing),
		"has no name":                        Tick("", "@daily", nothing),
		"nothing to do":                      Tick("Idle", "@daily", nil),
		"two of that name":                   func(o *Options) { Tick("A", "@daily", nothing)(o); Tick("a", "@daily", nothing)(o) },
		`HTTP function "GET /{"`:             HTTP("GET /{", handler),
		`HTTP function "/a": it has no hand`: HTTP("/a", nil),
		`HTTP function "/b"`:                 func(o *Options) { HTTP("/b", handler)(o); HTTP("/b", handler)(o) },
	} {
		o := Options{}
		option(&o)
		if err := checkTriggers(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkTriggers error = %v, want it to say %q", err, want)
		}
	}
	good := Options{}
	HTTP("GET /{name}", handler)(&good)
	Tick("Hourly", "@every 1h30m", nothing)(&good)
	Tick("Named", "0 30 9 * JAN MON-FRI", nothing)(&good)
	if err := checkTriggers(good); err != nil {
		t.Errorf("checkTriggers error: %v", err)
	}
}
