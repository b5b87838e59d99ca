package engine

import (
	"testing"

	"github.com/perdure/perdure/internal/history"
)

// Instances at work cannot be evicted; looking for one that can must not cost
// more the more of them there are, and what is too much goes once they rest.
func TestCacheWithMoreAtWorkThanItHolds(t *testing.T) {
	const n, held = 200, 20
	c := newCache(held * loadedBytes)
	p := emptyPartition()
	instances := make([]*instance, n)
	for i := range instances {
		instances[i] = &instance{partition: p, state: &history.State{Started: &history.Event{}}, queued: true}
		c.touch(instances[i])
	}
	before := c.oldest()
	c.touch(instances[n-1])
	moved := 0
	for e := c.order.Front(); e.Value.(*cached).instance != instances[n-1]; e = e.Next() {
		moved++
	}
	if moved != maxTries || before == c.oldest() {
		t.Errorf("touch looked at %d instances at work, want the %d that were looked at longest ago", moved, maxTries)
	}
	for _, inst := range instances {
		inst.queued = false
		c.touch(inst)
	}
	if c.order.Len() != held || c.bytes != held*loadedBytes {
		t.Errorf("the cache holds %d instances of %d bytes when all rest, want %d", c.order.Len(), c.bytes, held)
	}
}

func TestCacheCountsPayloadsThatCodeWasGiven(t *testing.T) {
	c := newCache(10 * loadedBytes)
	p := emptyPartition()
	for range 5 {
		st := &history.State{}
		st.Apply(&history.Turn{Seq: 1, Events: []history.Event{{Kind: history.ExecutionStarted, Started: &history.Started{}, Payload: make([]byte, 2*loadedBytes)}}})
		c.touch(&instance{partition: p, state: st})
	}
	if got := c.order.Len(); got != 3 {
		t.Errorf("the cache holds %d instances that cost 3 times the usual, want 3 in the place of 10", got)
	}
}

// emptyPartition is one of a tenure that runs nothing.
func emptyPartition() *partition {
	t := &tenure{admission: newAdmission(&Options{Hub: "", MaxBacklogBytes: 0}, false), exec: newExecutor(nil)}
	t.watch = newWatch(t)
	return &partition{tenure: t, instances: make(map[history.InstanceID]*instance)}
}
