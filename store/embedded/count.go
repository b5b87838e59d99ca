package embedded

import (
	"encoding/binary"
	"fmt"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// readCounts reads how many instances there are in each status.
func (h *Hub) readCounts() (engine.Counts, error) {
	it, err := h.db.pebble.NewIter(newKey(h.id, spaceCounts).prefix())
	if err != nil {
		return nil, err
	}
	defer it.Close() // its error is that of it.Error
	counts := engine.Counts{}
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		k := it.Key()
		status := history.RuntimeStatus(k[len(k)-1])
		if len(value) != 8 {
			return nil, fmt.Errorf("count of %s, of %d bytes, is damaged", status, len(value))
		}
		counts[status] = int64(binary.BigEndian.Uint64(value))
	}
	return counts, it.Error()
}

// count notes that so many instances more, or fewer, have status.
func (w *writer) count(id history.InstanceID, status history.RuntimeStatus, more int64) {
	if indexed(id) {
		w.counts[status] += more
	}
}

// writeCounts adds the counts that the batch changes, on top of those that the
// hub has. It returns all counts as they are after the batch.
func (w *writer) writeCounts() engine.Counts {
	counts := make(engine.Counts, len(w.hub.counts))
	for status, n := range w.hub.counts {
		counts[status] = n
	}
	for status, more := range w.counts {
		if more == 0 {
			continue
		}
		counts[status] += more
		w.buf = binary.BigEndian.AppendUint64(w.buf[:0], uint64(counts[status]))
		w.set(newKey(w.hub.id, spaceCounts).uint8(uint8(status)), w.buf)
	}
	return counts
}
