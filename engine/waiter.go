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
	by map[history.InstanceID][]chan bool
}

// add returns a channel that gets true when id has ended, durably, and false
// when it may have: ask the store.
func (w *waiters) add(id history.InstanceID) chan bool {
	ch := make(chan bool, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[history.InstanceID][]chan bool)
	}
	w.by[id] = append(w.by[id], ch)
	return ch
}

func (w *waiters) remove(id history.InstanceID, ch chan bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := slices.DeleteFunc(w.by[id], func(c chan bool) bool { return c == ch })
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
		tell(ch, true)
	}
}

// notifyAll is for when nobody knows what was stored.
func (w *waiters) notifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, chs := range w.by {
		for _, ch := range chs {
			tell(ch, false)
		}
	}
}

// tell leaves ended in ch, unless something is there: then its receiver will
// look anyway, and finds the truth in the store.
func tell(ch chan bool, ended bool) {
	select {
	case ch <- ended:
	default:
	}
}
