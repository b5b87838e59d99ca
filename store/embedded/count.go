package embedded

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// counts is how many instances have each status, by the status as it is in keys.
type counts [1 << 8]int64

// byStatus returns the counts of statuses that some instance has.
func (c *counts) byStatus() engine.Counts {
	all := engine.Counts{}
	for key, n := range c {
		if n != 0 {
			all[history.RuntimeStatus(key)] = n
		}
	}
	return all
}

// readCounts reads the counts that are kept of a hub.
func (h *Hub) readCounts(r pebble.Reader) (*counts, error) {
	it, err := r.NewIter(newKey(h.id, spaceCounts).prefix())
	if err != nil {
		return nil, err
	}
	defer it.Close() // its error is that of it.Error
	all := new(counts)
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		k := it.Key()
		status := k[len(k)-1]
		if len(value) != 8 {
			return nil, fmt.Errorf("count of %s, of %d bytes, is damaged", history.RuntimeStatus(status), len(value))
		}
		all[status] = int64(binary.BigEndian.Uint64(value))
	}
	return all, it.Error()
}

// count notes that so many instances more, or fewer, have status.
func (w *writer) count(id history.InstanceID, status history.RuntimeStatus, more int64) {
	if indexed(id) {
		w.counts[uint8(status)] += more
	}
}

// writeCounts adds the counts that the batch changes, on top of those that the
// hub has. It makes w.counts all counts as they are after the batch.
func (w *writer) writeCounts() {
	for status, more := range w.counts {
		w.counts[status] += w.hub.counts[status]
		if more != 0 {
			w.value = binary.BigEndian.AppendUint64(w.value[:0], uint64(w.counts[status]))
			w.set(w.space(spaceCounts).uint8(uint8(status)), w.value)
		}
	}
}
