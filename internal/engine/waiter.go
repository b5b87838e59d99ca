package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file tells callers who wait for an instance. Nobody polls: the commit
// that ends it brings the status along.

// waiters are the callers who wait for an instance to start or to end. They
// outlive a tenure.
type waiters struct {
	starting atomic.Int64 // callers in starts: most turns see that there are none

	mu     sync.Mutex // guards the rest
	ends   callers
	starts callers
}

// news tells a caller that what it waits for may have come: ask the store. For
// those who wait for an end it may bring the durable status, as [Engine.Wait]
// returns it.
type news chan *hub.Status

// callers are those who wait for the same thing, by instance.
type callers map[history.InstanceID][]news

// add returns a channel that gets the status of id when it has ended.
func (w *waiters) add(id history.InstanceID) news {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends.add(id)
}

// remove ends what add began.
func (w *waiters) remove(id history.InstanceID, ch news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends.remove(id, ch)
}

// addStarting returns a channel that gets nil when the first turn of id is
// durable, or id has ended.
func (w *waiters) addStarting(id history.InstanceID) news {
	w.starting.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts.add(id)
}

// removeStarting ends what addStarting began.
func (w *waiters) removeStarting(id history.InstanceID, ch news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts.remove(id, ch)
	w.starting.Add(-1)
}

// notify tells that id has ended; status is called if somebody wants to know
// how, and returns nil if the store must tell.
func (w *waiters) notify(id history.InstanceID, status func() *hub.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ends[id]) > 0 {
		w.ends.tell(id, status())
	}
	w.starts.tell(id, nil)
}

// notifyStarted tells that the first turn of id is durable.
func (w *waiters) notifyStarted(id history.InstanceID) {
	if w.starting.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts.tell(id, nil)
}

// notifyAll is for when nobody knows what was stored.
func (w *waiters) notifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range []callers{w.ends, w.starts} {
		for id := range waiting {
			waiting.tell(id, nil)
		}
	}
}

// add returns where the news for one caller will come. There is room for it:
// whoever brings it does not wait.
func (c *callers) add(id history.InstanceID) news {
	if *c == nil {
		*c = make(callers)
	}
	ch := make(news, 1)
	(*c)[id] = append((*c)[id], ch)
	return ch
}

// remove forgets a caller that waits no more.
func (c callers) remove(id history.InstanceID, ch news) {
	rest := slices.DeleteFunc(c[id], func(other news) bool { return other == ch })
	if len(rest) == 0 {
		delete(c, id)
	} else {
		c[id] = rest
	}
}

// tell leaves word in the channels of id, unless something is there: then its
// receiver will look anyway.
func (c callers) tell(id history.InstanceID, status *hub.Status) {
	for _, ch := range c[id] {
		select {
		case ch <- status:
		default:
		}
	}
}
