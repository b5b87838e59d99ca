package host

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/hubs"
)

// retain removes what r does not keep any longer, again and again until ctx
// ends. The hub logs what has been removed. The first time is soon, but not at
// once: apps that start together do not purge together, and a start has other
// work. After a clock that was set ahead it waits for one more interval: if
// that was a mistake, nothing is lost by it.
func retain(ctx context.Context, purger hub.Hub, r config.Retention, log *slog.Logger, clock func() time.Time) {
	ages := retentionAges(r)
	if len(ages) == 0 {
		return
	}
	looked, began := clock().Round(0), time.Now()
	for pause := rand.N(min(r.Interval, time.Minute)); sleep(ctx, pause); pause = r.Interval {
		now := clock().Round(0)
		ahead := now.Sub(looked) - time.Since(began)
		looked, began = now, time.Now()
		if ahead > setAhead {
			log.Warn("the clock was set ahead: what is too old is removed one interval later", "by", ahead.Round(time.Second), "interval", r.Interval)
			continue
		}
		for _, a := range ages {
			// What goes wrong is logged by the hub, and the next time makes up
			// for it.
			purger.PurgeBy(ctx, hub.PurgeFilter{Query: history.Query{CompletedTo: new(now.Add(-a.age)), Statuses: a.statuses}})
		}
	}
}

// setAhead is how far a clock must be set ahead to count: less comes from
// keeping it right.
const setAhead = time.Minute

// retentionAge is how long instances with these statuses are kept after their
// end.
type retentionAge struct {
	age      time.Duration
	statuses []history.RuntimeStatus
}

// retentionAges gathers the statuses of one age, for one purge.
func retentionAges(r config.Retention) []retentionAge {
	var ages []retentionAge
	for _, row := range []struct {
		age    time.Duration
		status history.RuntimeStatus
	}{{r.Completed, history.Completed}, {r.Failed, history.Failed}, {r.Terminated, history.Terminated}} {
		i := slices.IndexFunc(ages, func(a retentionAge) bool { return a.age == row.age })
		switch {
		case row.age == 0:
		case i < 0:
			ages = append(ages, retentionAge{row.age, []history.RuntimeStatus{row.status}})
		default:
			ages[i].statuses = append(ages[i].statuses, row.status)
		}
	}
	return ages
}

// lookAgain is how long a wait for a time of the clock sleeps at most: the
// clock may be set meanwhile.
const lookAgain = 2 * time.Second

// sleep waits for d; it reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// expireAudit removes files of the audit that are older than keep, again and
// again until ctx ends. A clock that is put ahead makes nothing old.
func expireAudit(ctx context.Context, journal *hubs.Journal, keep time.Duration, clock func() time.Time) {
	first, began := clock(), time.Now()
	for sleep(ctx, time.Hour) {
		now := first.Add(time.Since(began))
		if told := clock(); told.Before(now) {
			now = told
		}
		journal.RemoveOld(now.Add(-keep))
	}
}
