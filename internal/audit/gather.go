package audit

import (
	"sync"
	"time"
)

// entry is a line that waits to be written.
type entry struct {
	at      time.Time
	members []byte
	n       uint64 // once it is written
}

// gather makes groups of what comes while others are written. The first one of
// a group writes all of it.
type gather struct {
	mu   sync.Mutex // guards next
	next *group     // takes in more; nil: there is none
}

type group struct {
	lines   []*entry
	written chan struct{} // closed by who wrote it, after err is set
	err     error
}

// add returns when line is written. Whoever takes the turn writes.
func (g *gather) add(line *entry, take, release func(), write func([]*entry) error) error {
	g.mu.Lock()
	mine := g.next
	first := mine == nil
	if first {
		mine = &group{written: make(chan struct{})}
		g.next = mine
	}
	mine.lines = append(mine.lines, line)
	g.mu.Unlock()
	if !first {
		<-mine.written
		return mine.err
	}
	take()
	g.mu.Lock()
	g.next = nil // who comes now is of the next group
	g.mu.Unlock()
	mine.err = write(mine.lines)
	release()
	close(mine.written)
	return mine.err
}
