package host

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// retain removes what r does not keep any longer, again and again until ctx
// ends. hub logs what has been removed. The first time is soon, but not at once:
// apps that start together do not purge together, and a start has other work.
func retain(ctx context.Context, hub client.Hub, r config.Retention) {
	ages := retentionAges(r)
	if len(ages) == 0 {
		return
	}
	for pause := rand.N(min(r.Interval, time.Minute)); sleep(ctx, pause); pause = r.Interval {
		for _, a := range ages {
			// What goes wrong is logged by hub, and the next time makes up for it.
			hub.PurgeBy(ctx, engine.PurgeFilter{Query: engine.Query{CompletedTo: new(time.Now().Add(-a.age)), Statuses: a.statuses}})
		}
	}
}

// retentionAge is how long instances with these statuses are kept after their end.
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
