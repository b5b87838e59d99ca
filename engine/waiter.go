package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perdure/perdure/history"
)

// waiters are the callers who wait for an instance to start or to end. They
// outlive a tenure.
type waiters struct {
	starting atomic.Int64 // callers in starts: most turns see that there are none

	mu     sync.Mutex // guards the rest
	ends   callers
	starts callers
}

// callers are those who wait for the same thing, by instance.
type callers map[history.InstanceID][]chan bool

// add returns a channel that gets true when id has ended, durably, and false
// when it may have: ask the store.
func (w *waiters) add(id history.InstanceID) chan bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends.add(id)
}

func (w *waiters) remove(id history.InstanceID, ch chan bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends.remove(id, ch)
}

// addStarting is add for the first turn of id: its channel gets true when that
// is durable, or id has ended.
func (w *waiters) addStarting(id history.InstanceID) chan bool {
	w.starting.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts.add(id)
}

func (w *waiters) removeStarting(id history.InstanceID, ch chan bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts.remove(id, ch)
	w.starting.Add(-1)
}

// notify tells that id has ended.
func (w *waiters) notify(id history.InstanceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends.tell(id, true)
	w.starts.tell(id, true)
}

// notifyStarted tells that the first turn of id is durable.
func (w *waiters) notifyStarted(id history.InstanceID) {
	if w.starting.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts.tell(id, true)
}

// notifyAll is for when nobody knows what was stored.
func (w *waiters) notifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range []callers{w.ends, w.starts} {
		for id := range waiting {
			waiting.tell(id, false)
		}
	}
}

func (c *callers) add(id history.InstanceID) chan bool {
	if *c == nil {
		*c = make(callers)
	}
	ch := make(chan bool, 1)
	(*c)[id] = append((*c)[id], ch)
	return ch
}

func (c callers) remove(id history.InstanceID, ch chan bool) {
	rest := slices.DeleteFunc(c[id], func(other chan bool) bool { return other == ch })
	if len(rest) == 0 {
		delete(c, id)
	} else {
		c[id] = rest
	}
}

// tell leaves news in the channels of id, unless something is there: then its
// receiver will look anyway, and finds the truth in the store.
func (c callers) tell(id history.InstanceID, sure bool) {
	for _, ch := range c[id] {
		select {
		case ch <- sure:
		default:
		}
	}
}
