package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file refuses an event before it is stored when its instance remembers
// too many keys.

// refuseKey tells why an event with an idempotency key is not taken: its
// instance would have to remember too much; nil if it is.
func (t *tenure) refuseKey(ctx context.Context, id history.InstanceID, key string) error {
	p := t.partition(id)
	p.mu.Lock()
	inst, ok := p.instances[id]
	room := ok && inst.keysKnown && inst.keyBytes+inst.tally.keys+len(key) <= history.MaxKeysBytes
	p.mu.Unlock()
	if room {
		return nil
	}
	inst, err := p.take(ctx, claim{id: id})
	if err != nil {
		return err
	}
	if inst.exists() && !inst.row.Status.Terminal() {
		err = t.load(inst)
	}
	p.mu.Lock()
	if err == nil && inst.state != nil {
		err = inst.refuseKey(key, history.Truncate(t.now()))
	}
	loaded := inst.state != nil
	p.yield(inst)
	p.mu.Unlock()
	if loaded {
		t.cache.touch(inst)
	}
	return err
}

// refuseKey is that for an instance that is claimed and loaded. mu of its
// partition is held.
func (i *instance) refuseKey(key string, at time.Time) error {
	keys := &i.state.Keys
	if keys.Taken(key, at) {
		return nil // it comes again
	}
	bytes := keys.Bytes(at)
	coming := make(map[string]bool)
	for k := range i.inbox {
		if ev := &i.inbox[k].Event; ev.Key != "" && !coming[ev.Key] && !keys.Taken(ev.Key, ev.At) {
			coming[ev.Key] = true
			bytes += len(ev.Key)
		}
	}
	if coming[key] || bytes+len(key) <= history.MaxKeysBytes {
		return nil
	}
	return fmt.Errorf("%w: %q remembers %d bytes of idempotency keys, %d are the most; nothing was stored: it forgets each after %s",
		hub.ErrResourceExhausted, i.id, bytes, history.MaxKeysBytes, history.KeyLife)
}

// remember notes how many bytes of keys the fold st holds. mu of the partition
// is held.
func (i *instance) remember(st *history.State) {
	i.keysKnown = st != nil
	if st != nil {
		i.keyBytes = st.Keys.Bytes(time.Time{})
	}
}
