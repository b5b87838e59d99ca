package embedded

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactor stands for Pebble: compactions wait, and run once they may.
type compactor struct {
	allowed atomic.Int64
	asked   atomic.Int64 // calls of GetAllowedWithoutPermission

	mu      sync.Mutex // guards the rest; held where Pebble holds its own
	waiting int
	handles []pebble.CompactionGrantHandle // of those that run
}

func (c *compactor) GetAllowedWithoutPermission() int {
	c.asked.Add(1)
	return int(c.allowed.Load())
}

func (c *compactor) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting > 0, pebble.WaitingCompaction{}
}

func (c *compactor) Schedule(handle pebble.CompactionGrantHandle) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == 0 {
		return false
	}
	c.waiting--
	c.handles = append(c.handles, handle)
	return true
}

// want asks for n compactions.
func (c *compactor) want(s *scheduler, n int) {
	for range n {
		c.mu.Lock()
		if ok, handle := s.TrySchedule(); ok {
			c.handles = append(c.handles, handle)
		} else {
			c.waiting++
		}
		c.mu.Unlock()
	}
}

// end ends the compaction that began first.
func (c *compactor) end() {
	c.mu.Lock()
	handle := c.handles[0]
	c.handles = c.handles[1:]
	c.mu.Unlock()
	handle.Done()
}

// expect fails unless so many run and wait once nothing moves.
func (c *compactor) expect(t *testing.T, running, waiting int) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.handles) != running || c.waiting != waiting {
		t.Errorf("%d compactions run and %d wait; want %d and %d", len(c.handles), c.waiting, running, waiting)
	}
}

// register returns a scheduler of a Pebble that allows itself one compaction.
func register() (*scheduler, *compactor) {
	s, c := newScheduler(), &compactor{}
	c.allowed.Store(1)
	s.Register(2, c)
	synctest.Wait() // until it sleeps
	return s, c
}

// withScheduler runs do in virtual time.
func withScheduler(t *testing.T, do func(*scheduler, *compactor)) {
	synctest.Test(t, func(*testing.T) {
		s, c := register()
		do(s, c)
		s.Unregister()
	})
}

func TestCompactionsWaitForEachOther(t *testing.T) {
	withScheduler(t, func(s *scheduler, c *compactor) {
		c.want(s, 3)
		c.expect(t, 1, 2)
		c.end()
		c.expect(t, 1, 1)
		c.end()
		c.expect(t, 1, 0)
		c.end()
		c.expect(t, 0, 0)
	})
}

func TestCompactionsBeginWhenMoreAreAllowed(t *testing.T) {
	withScheduler(t, func(s *scheduler, c *compactor) {
		c.want(s, 4)
		c.expect(t, 1, 3)
		c.allowed.Store(2) // and Pebble does not tell
		time.Sleep(samplingInterval)
		c.expect(t, 2, 2)
		c.allowed.Store(4)
		s.UpdateGetAllowedWithoutPermission()
		c.expect(t, 4, 0)
		for range 4 {
			c.end()
		}
	})
}

// A program that does nothing does not wake up to compact nothing.
func TestIdleStoreSleeps(t *testing.T) {
	withScheduler(t, func(s *scheduler, c *compactor) {
		c.want(s, 2)
		c.end()
		c.expect(t, 1, 0)
		c.end()
		c.expect(t, 0, 0)
		before := c.asked.Load()
		time.Sleep(time.Hour)
		if asked := c.asked.Load() - before; asked > 0 {
			t.Errorf("an idle store was asked %d times in an hour", asked)
		}
	})
}

func TestNoCompactionBeginsAfterUnregister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := register()
		c.want(s, 2)
		s.Unregister()
		c.end()
		c.want(s, 1)
		c.expect(t, 0, 2)
	})
}

// However calls meet, no more run than are allowed, and none is forgotten.
func TestCompactionsAtOneTime(t *testing.T) {
	withScheduler(t, func(s *scheduler, c *compactor) {
		c.allowed.Store(3)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 100 {
					c.want(s, 1)
					s.UpdateGetAllowedWithoutPermission()
				}
			})
		}
		all.Wait()
		for left := 800; left > 0; left-- {
			c.expect(t, min(left, 3), max(left-3, 0))
			c.end()
		}
	})
}
