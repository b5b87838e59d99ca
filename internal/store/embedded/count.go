package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
)

// counts is how many instances have each status, by the status as it is in
// keys.
type counts [1 << 8]int64

// byStatus returns the counts of statuses that some instance has.
func (c *counts) byStatus() history.Counts {
	all := history.Counts{}
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

// checkCounts compares the counts with the index of statuses as far as that
// costs little: what is counted is there, and what is not counted is not.
func (h *Hub) checkCounts() error {
	all, err := h.readCounts(h.db.pebble)
	if err != nil {
		return err
	}
	it, err := h.db.pebble.NewIter(newKey(h.id, spaceStatuses).prefix())
	if err != nil {
		return err
	}
	defer it.Close() // its error is that of it.Error
	ok := it.First()
	for status, n := range all {
		first := newKey(h.id, spaceStatuses).uint8(uint8(status))
		if ok && bytes.Compare(it.Key(), first) < 0 {
			ok = it.SeekGE(first)
		}
		if there := ok && bytes.HasPrefix(it.Key(), first); n < 0 || there != (n > 0) {
			return cmp.Or(it.Error(), fmt.Errorf("%d instances are counted as %s, and the index of these says otherwise", n, history.RuntimeStatus(status)))
		}
	}
	return it.Error()
}
