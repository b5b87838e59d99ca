package perdure

import "time"

// Timer is the task of a durable timer.
type Timer struct {
	*Task[struct{}]
}

// CreateTimer returns a timer that fires when d has passed since
// [OrchestrationContext.Now]. It fires after a restart of the program too, and
// never early; d may be years.
func (c *OrchestrationContext) CreateTimer(d time.Duration) *Timer {
	return &Timer{&Task[struct{}]{ctx: c.core, core: c.core.CreateTimerAfter(d)}}
}

// CreateTimerAt returns a timer that fires at t, in the next turn if t is past.
func (c *OrchestrationContext) CreateTimerAt(t time.Time) *Timer {
	return &Timer{&Task[struct{}]{ctx: c.core, core: c.core.CreateTimer(t)}}
}

// Cancel ends the timer with [ErrCanceled]. It does nothing to one that has
// fired.
func (t *Timer) Cancel() { t.ctx.CancelTimer(t.core) }
