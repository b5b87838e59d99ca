package embedded

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// view gives the readers of a hub what is durable. Pebble shows a batch to
// readers before it has synced it. So a commit fixes what there was before it,
// and readers get that until the batch is durable: none waits for the disk.
type view struct {
	pebble  *pebble.DB
	commits atomic.Uint64 // how many began and how many ended: odd while one is under way

	mu     sync.Mutex // guards before
	before *moment    // of the commit under way; nil while there is none
}

// moment is a snapshot and how many use it: readers, and the commit after it.
type moment struct {
	*pebble.Snapshot
	users int // guarded by mu of the view
}

// begin is called before a batch is applied. Commits follow each other.
func (v *view) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.before = &moment{v.pebble.NewSnapshot(), 1}
	v.commits.Add(1)
}

// end is called when the batch is durable. After a commit of which that is not
// known readers stay where they are.
func (v *view) end() {
	v.mu.Lock()
	last := v.before
	v.before = nil
	v.commits.Add(1)
	v.mu.Unlock()
	v.leave(last)
}

// hold returns what is durable now, for as long as the caller likes; it ends
// with leave.
func (v *view) hold() *moment {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.before == nil { // and no commit can begin before a snapshot is taken
		return &moment{v.pebble.NewSnapshot(), 1}
	}
	v.before.users++
	return v.before
}

func (v *view) leave(m *moment) {
	v.mu.Lock()
	m.users--
	last := m.users == 0
	v.mu.Unlock()
	if last {
		m.Close() // fails only if it is closed already
	}
}

// read calls f with what is durable; what f does with a reader counts only if
// it is the last one that it gets. Iterators stay good after read has returned.
func (v *view) read(f func(pebble.Reader) error) error {
	for {
		commits := v.commits.Load()
		if commits%2 == 0 {
			if err := f(v.pebble); v.commits.Load() == commits {
				return err // and nothing was applied meanwhile
			}
		}
		v.mu.Lock()
		before := v.before
		if before != nil {
			before.users++
		}
		v.mu.Unlock()
		if before != nil {
			defer v.leave(before)
			return f(before)
		}
	}
}

// iterator returns an iterator of what is durable now.
func (v *view) iterator(bounds *pebble.IterOptions) (it *pebble.Iterator, err error) {
	err = v.read(func(r pebble.Reader) (err error) {
		if it != nil {
			it.Close() // its error is that of it.Error
		}
		it, err = r.NewIter(bounds)
		return err
	})
	return it, err
}
