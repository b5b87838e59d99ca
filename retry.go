package perdure

import (
	"fmt"
	"math"
	"time"

	"github.com/perdure/perdure/internal/replay"
)

// RetryPolicy says how a failed call is tried again.
type RetryPolicy struct {
	FirstInterval time.Duration // wait after the first failure; required, above 0
	MaxAttempts   int           // of all, the first included; required, at least 1

	BackoffCoefficient float64       // each wait is so many times the one before; at least 1; 0 means 1
	MaxInterval        time.Duration // longest wait, at least FirstInterval; 0 means no bound
	// Timeout is how long after the call attempts may still begin; it never
	// interrupts one, and the last wait may overshoot it. At least
	// FirstInterval; 0 means no bound.
	Timeout time.Duration
	// Handle decides whether to try again after an error, a [*TaskFailedError].
	// It must decide the same in every replay and not use the context. nil
	// means always; a panic means no.
	Handle func(error) bool
}

func (p *RetryPolicy) validate() error {
	switch c := p.BackoffCoefficient; {
	case p.FirstInterval <= 0:
		return fmt.Errorf("RetryPolicy.FirstInterval is %s; it must be above 0", p.FirstInterval)
	case p.MaxAttempts < 1:
		return fmt.Errorf("RetryPolicy.MaxAttempts is %d; it counts the first attempt and must be at least 1", p.MaxAttempts)
	case c != 0 && !(c >= 1) || math.IsInf(c, 0):
		return fmt.Errorf("RetryPolicy.BackoffCoefficient is %v; it must be at least 1, or 0 for 1", c)
	case p.MaxInterval != 0 && p.MaxInterval < p.FirstInterval:
		return fmt.Errorf("RetryPolicy.MaxInterval is %s; it must be at least FirstInterval, %s, or 0 for no bound", p.MaxInterval, p.FirstInterval)
	case p.Timeout != 0 && p.Timeout < p.FirstInterval:
		return fmt.Errorf("RetryPolicy.Timeout is %s; it must be at least FirstInterval, %s, or 0 for no bound", p.Timeout, p.FirstInterval)
	}
	return nil
}

// delay is how long to wait after the given number of failures.
func (p *RetryPolicy) delay(failures int) time.Duration {
	coefficient := max(p.BackoffCoefficient, 1)
	longest := p.MaxInterval
	if longest == 0 {
		longest = math.MaxInt64
	}
	d := float64(p.FirstInterval) * math.Pow(coefficient, float64(failures-1))
	if d >= float64(longest) {
		return longest
	}
	return time.Duration(d)
}

// accepts asks Handle.
func (p *RetryPolicy) accepts(err error) (again bool) {
	if p.Handle == nil {
		return true
	}
	defer func() {
		if recover() != nil {
			again = false // the original error must surface, not this one
		}
	}()
	return p.Handle(err)
}

// run makes attempts under the policy and returns the task of the last.
//
// It is driven by completions alone, so that calls under a policy run in
// parallel like others. The reference ends an exhausted retry with one more
// timer that is due at once; that exists for the sake of its old histories and
// is left out here.
func (p *RetryPolicy) run(c *replay.Context, name string, attempt func(n int32) *replay.Task) *replay.Task {
	if err := p.validate(); err != nil {
		return c.Failed(name, fmt.Errorf("call %s: %w", name, err))
	}
	outcome := c.NewTask(name)
	begun := c.Now()
	var try func(n int)
	try = func(n int) {
		t := attempt(int32(n))
		c.OnDone(t, func() {
			if !p.again(c, t, n, begun) {
				c.Finish(outcome, t, nil)
				return
			}
			timer := c.CreateTimerAfter(p.delay(n))
			c.OnDone(timer, func() { try(n + 1) })
		})
	}
	try(1)
	return outcome
}

// again reports whether another attempt follows t, the n-th.
func (p *RetryPolicy) again(c *replay.Context, t *replay.Task, n int, begun time.Time) bool {
	failure := t.Failure()
	if failure == nil || failure.NonRetriable || n >= p.MaxAttempts || !p.accepts(taskError(t)) {
		return false
	}
	return p.Timeout == 0 || c.Now().Before(begun.Add(p.Timeout))
}
