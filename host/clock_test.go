package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
)

// badClock is a clock that somebody sets. It has no readings of the monotonic one, as
// times of another process have none.
type badClock struct{ ahead atomic.Int64 }

func (c *badClock) now() time.Time           { return time.Now().Round(0).Add(time.Duration(c.ahead.Load())) }
func (c *badClock) setAhead(d time.Duration) { c.ahead.Store(int64(d)) }

// Ticks follow a clock that jumps, within seconds, and none is repeated by a small step back.
func TestTicksFollowTheClock(t *testing.T) {
	type tick struct{ At, Due time.Duration } // since the start
	for name, test := range map[string]struct {
		schedule string
		jumps    map[time.Duration]time.Duration // when, and how far ahead the clock is from then on
		want     []tick
	}{
		"an hour back": {"0 * * * * *", map[time.Duration]time.Duration{70 * time.Second: -time.Hour}, []tick{
			{60 * time.Second, 60 * time.Second}, {120 * time.Second, 120*time.Second - time.Hour}, {180 * time.Second, 180*time.Second - time.Hour}}},
		"an hour ahead, and back again": {"0 * * * * *", map[time.Duration]time.Duration{71 * time.Second: time.Hour, 130 * time.Second: 0}, []tick{
			{60 * time.Second, 60 * time.Second}, {72 * time.Second, 120 * time.Second}, {120 * time.Second, 120*time.Second + time.Hour}, {180 * time.Second, 180 * time.Second}}},
		"a second back, right after a tick": {"0 0 * * * *", map[time.Duration]time.Duration{time.Hour + 1: -time.Second}, []tick{
			{time.Hour, time.Hour}, {2*time.Hour + time.Second, 2 * time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, clock := time.Now(), new(badClock)
				for at, ahead := range test.jumps {
					time.AfterFunc(at, func() { clock.setAhead(ahead) })
				}
				var got []tick
				ctx, cancel := context.WithCancel(t.Context())
				TickFunction{"T", test.schedule, func(_ context.Context, _ *client.Client, tk TickTime) error {
					got = append(got, tick{time.Since(began), tk.Due.Sub(began)})
					if len(got) == len(test.want) {
						cancel()
					}
					return nil
				}}.run(ctx, nil, slog.New(slog.DiscardHandler), clock.now)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("ticks (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A clock that is set ahead by mistake, and right an hour later, removes nothing that is
// not too old.
func TestRetentionWaitsAfterAClockWasSetAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, clock := &purges{began: time.Now()}, new(badClock)
		time.AfterFunc(90*time.Minute, func() { clock.setAhead(1000 * time.Hour) })
		time.AfterFunc(150*time.Minute, func() { clock.setAhead(0) })
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour+30*time.Minute)
		defer cancel()
		var log bytes.Buffer
		retain(ctx, hub, config.Retention{Completed: time.Hour, Interval: time.Hour}, slog.New(slog.NewTextHandler(&log, nil)), clock.now)
		var at []time.Duration
		for _, p := range hub.calls {
			if p.Age.Round(time.Hour) != time.Hour {
				t.Errorf("after %v what is older than %v is removed", p.After, p.Age)
			}
			at = append(at, p.After.Round(time.Hour))
		}
		if diff := cmp.Diff([]time.Duration{0, time.Hour, 3 * time.Hour, 4 * time.Hour}, at); diff != "" {
			t.Errorf("purges (-want +got):\n%s", diff)
		}
		if n := strings.Count(log.String(), "the clock was set ahead"); n != 1 {
			t.Errorf("log:\n%s\nwant it to say once that the clock was set ahead", &log)
		}
	})
}
