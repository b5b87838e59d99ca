package history

import (
	"fmt"
	"time"
)

// What is remembered of idempotency keys. Nothing but age makes an instance
// forget one: who hands over events refuses what would be too much.
const (
	KeyLife      = 24 * time.Hour // from when its event was accepted
	MaxKeyLength = 300            // bytes of one key
	MaxKeysBytes = 1 << 20        // bytes of all keys that an instance remembers
)

// CheckKey reports why an idempotency key cannot be remembered.
func CheckKey(key string) error {
	if len(key) > MaxKeyLength {
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(key), MaxKeyLength)
	}
	return CheckText(key)
}

// Keys are the idempotency keys that an instance has taken. The zero value has
// none.
type Keys struct {
	taken map[string]time.Time
	order []string // oldest first
	bytes int
}

// Taken reports whether an event with this key, accepted at the time at, is one
// that was taken already.
func (k *Keys) Taken(key string, at time.Time) bool {
	taken, ok := k.taken[key]
	return ok && at.Sub(taken) < KeyLife
}

// Bytes returns how many bytes of keys are remembered at the time at.
func (k *Keys) Bytes(at time.Time) int {
	bytes := k.bytes
	for _, key := range k.order {
		if k.Taken(key, at) {
			break
		}
		bytes -= len(key)
	}
	return bytes
}

// Take remembers a key, unless it is empty or remembered already, and forgets
// what is too old.
func (k *Keys) Take(key string, at time.Time) {
	for len(k.order) > 0 && !k.Taken(k.order[0], at) {
		delete(k.taken, k.order[0])
		k.bytes -= len(k.order[0])
		k.order = k.order[1:]
	}
	if key == "" || k.Taken(key, at) {
		return
	}
	if k.taken == nil {
		k.taken = make(map[string]time.Time)
	}
	if _, ok := k.taken[key]; !ok { // else it is too old, but behind a younger one: the clock was set back
		k.order = append(k.order, key)
		k.bytes += len(key)
	}
	k.taken[key] = at
}

// List returns what is remembered at the time at, oldest first, and when each
// was taken.
func (k *Keys) List(at time.Time) (keys []string, times []time.Time) {
	for _, key := range k.order {
		if k.Taken(key, at) {
			keys, times = append(keys, key), append(times, k.taken[key])
		}
	}
	return keys, times
}
