package engine

import (
	"container/list"
	"sync"
)

// This file bounds the memory of instances that rest. A parked orchestrator
// saves reading and running its history again, so the newest ones stay.

// What a loaded instance is taken to cost: its parked coroutine and the fold,
// and each event the fold keeps. The payloads that these hold count besides.
const (
	loadedBytes = 16 << 10
	openBytes   = 512
)

// heldShare is the part of the cache, as a divisor, that the payloads count for
// at most that were given to code: of what it was given, nobody knows how much
// it still holds, and code that lets go of it must not be rebuilt after every
// turn. The largest one counts in any case.
const heldShare = 8

// maxTries is how many instances are looked at to make room for one. Those that
// are at work stay: looking at all of them each time would take ever longer,
// the more there are.
const maxTries = 8

// cache bounds what loaded instances cost in memory: beyond max bytes, those
// that were looked at longest ago lose their coroutine and their fold. They are
// read again when something happens to them.
type cache struct {
	max int // 0: nothing is kept beyond the commit of a turn

	mu    sync.Mutex // guards the rest; taken after a partition's mutex or alone
	order list.List  // of *cached, newest first
	items map[*instance]*list.Element
	bytes int
}

// cached is a loaded instance and what it counts for, as of when it was touched
// last: its weight changes while it works.
type cached struct {
	instance *instance
	bytes    int
}

// newCache returns a cache for so many bytes. With 0 every instance is dropped
// as soon as it rests.
func newCache(max int) *cache {
	return &cache{max: max, items: make(map[*instance]*list.Element)}
}

// touch makes inst the newest and drops the oldest that are too many. No
// partition's mutex is held.
func (c *cache) touch(inst *instance) {
	p := inst.partition
	p.mu.Lock()
	loaded := inst.state != nil
	bytes := loadedBytes
	if loaded && !inst.running {
		bytes += c.payloads(inst) + openBytes*len(inst.state.Open)
	}
	p.mu.Unlock()
	if !loaded {
		c.remove(inst)
		return
	}

	c.mu.Lock()
	e, ok := c.items[inst]
	if ok {
		c.order.MoveToFront(e)
	} else {
		e = c.order.PushFront(&cached{instance: inst})
		c.items[inst] = e
	}
	item := e.Value.(*cached)
	c.bytes += bytes - item.bytes
	item.bytes = bytes
	tries := min(c.order.Len(), maxTries)
	c.mu.Unlock()

	for ; tries > 0; tries-- {
		oldest := c.oldest()
		if oldest == nil {
			return
		}
		c.evict(oldest)
	}
}

// payloads returns how many bytes of payloads a loaded instance holds: its row,
// its fold, and its code. mu of the partition is held.
func (c *cache) payloads(inst *instance) int {
	row, st := &inst.row, inst.state
	given := max(st.LargestBytes, min(st.GivenBytes, c.max/heldShare))
	return len(row.CustomStatus) + len(row.Reason) + len(st.Started.Payload) + st.OpenBytes + given
}

// oldest returns the instance to evict, nil while there is room.
func (c *cache) oldest() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes <= c.max || c.order.Len() == 0 {
		return nil
	}
	return c.order.Back().Value.(*cached).instance
}

// evict drops what is loaded of inst, unless it is at work: then it counts as
// just looked at.
func (c *cache) evict(inst *instance) {
	p := inst.partition
	p.mu.Lock()
	if inst.running || inst.queued || inst.deltas > 0 || inst.inFlight {
		p.mu.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		if e, ok := c.items[inst]; ok {
			c.order.MoveToFront(e)
		}
		return
	}
	number := inst.row.Number
	loaded := inst.state != nil
	inst.state = nil
	p.release(inst)
	p.mu.Unlock()
	c.remove(inst)
	if loaded {
		p.tenure.forgetCode(number)
	}
}

// remove takes an instance out that is not loaded any more, whoever unloaded
// it.
func (c *cache) remove(inst *instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[inst]; ok {
		c.bytes -= e.Value.(*cached).bytes
		c.order.Remove(e)
		delete(c.items, inst)
	}
}
