package engine

import (
	"slices"
	"sync"

	"github.com/perdure/perdure/history"
)

// waiters are the callers who wait for an instance to end. They outlive a
// tenure.
type waiters struct {
	mu sync.Mutex // guards by
	by map[history.InstanceID][]chan struct{}
}

// add returns a channel that gets a token when id may have ended: ask the
// store.
func (w *waiters) add(id history.InstanceID) chan struct{} {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[history.InstanceID][]chan struct{})
	}
	w.by[id] = append(w.by[id], ch)
	return ch
}

func (w *waiters) remove(id history.InstanceID, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := slices.DeleteFunc(w.by[id], func(c chan struct{}) bool { return c == ch })
	if len(rest) == 0 {
		delete(w.by, id)
	} else {
		w.by[id] = rest
	}
}

func (w *waiters) notify(id history.InstanceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.by[id] {
		token(ch)
	}
}

// notifyAll is for when nobody knows what was stored.
func (w *waiters) notifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, chs := range w.by {
		for _, ch := range chs {
			token(ch)
		}
	}
}

func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
