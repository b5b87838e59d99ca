package engine

import (
	"context"
	"sync"
	"time"
)

// wanted is the context of an activity: it ends when its parent, the tenure's,
// does, or by cancel. Few activities ask for the channel that tells so: one that
// does not costs no entry among the children of the tenure's context.
type wanted struct {
	parent context.Context

	mu    sync.Mutex // guards the rest
	over  bool
	inner context.Context // a child of parent, nil while nobody has asked for Done
	end   context.CancelFunc
}

var _ context.Context = (*wanted)(nil)

func (w *wanted) cancel() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.end != nil {
		w.end()
	}
}

// Deadline implements [context.Context].
func (w *wanted) Deadline() (time.Time, bool) { return w.parent.Deadline() }

// Done implements [context.Context].
func (w *wanted) Done() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inner == nil {
		w.inner, w.end = context.WithCancel(w.parent)
		if w.over {
			w.end()
		}
	}
	return w.inner.Done()
}

// Err implements [context.Context].
func (w *wanted) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.inner != nil:
		return w.inner.Err()
	case w.over:
		return context.Canceled
	default:
		return w.parent.Err()
	}
}

// Value implements [context.Context]. The package context looks up its own
// contexts this way, once it has called Done: it finds the inner one.
func (w *wanted) Value(key any) any {
	w.mu.Lock()
	inner := w.inner
	w.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return w.parent.Value(key)
}
