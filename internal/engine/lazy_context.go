package engine

import (
	"context"
	"sync"
	"time"
)

// lazyContext is the context of an activity: it ends when its parent, the
// tenure's, does, or by cancel. Few activities ask for the channel that tells
// so: one that does not costs no entry among the children of the tenure's
// context.
type lazyContext struct {
	parent context.Context

	mu    sync.Mutex // guards the rest
	over  bool
	inner context.Context // a child of parent, nil while nobody has asked for Done
	end   context.CancelFunc
}

var _ context.Context = (*lazyContext)(nil)

// cancel ends the context for those who have asked for it, and for those who
// will.
func (c *lazyContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.end != nil {
		c.end()
	}
}

// Deadline implements [context.Context].
func (c *lazyContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done implements [context.Context].
func (c *lazyContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.end = context.WithCancel(c.parent)
		if c.over {
			c.end()
		}
	}
	return c.inner.Done()
}

// Err implements [context.Context].
func (c *lazyContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.over:
		return context.Canceled
	default:
		return c.parent.Err()
	}
}

// Value implements [context.Context]. The package context looks up its own
// contexts this way, once it has called Done: it finds the inner one.
func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.parent.Value(key)
}
