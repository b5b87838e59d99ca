package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// Commit implements [engine.Committer].
func (h *Hub) Commit(ctx context.Context, deltas []*engine.Delta) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.db.leave()
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := h.err(); err != nil {
		return err
	}
	for _, d := range deltas {
		if err := h.admit(d); err != nil {
			return err
		}
	}
	if err := h.store(deltas); err != nil {
		return fmt.Errorf("commit %d deltas: %w", len(deltas), err)
	}
	return nil
}

// store writes deltas. writing is held.
func (h *Hub) store(deltas []*engine.Delta) (err error) {
	if h.counts == nil {
		if h.counts, err = h.readCounts(); err != nil {
			return err
		}
	}
	w := newWriter(h)
	for _, d := range deltas {
		w.add(d)
	}
	batch, counts, err := w.finish()
	if err != nil || batch.Empty() {
		return err
	}
	h.counts = nil // not known, unless all goes well
	if err := h.db.apply(batch); err != nil {
		return err
	}
	h.counts = counts
	if w.cleared.end > 0 {
		h.db.reclaimer.add(h.id, w.cleared)
	}
	return nil
}

// admit checks a delta before anything of its commit is written.
func (h *Hub) admit(d *engine.Delta) error {
	if err := h.checkPartition(d.Partition); err != nil {
		return err
	}
	if epoch := h.epochs[d.Partition]; d.Epoch != epoch {
		return fmt.Errorf("partition %d, epoch %d, now at %d: %w", d.Partition, d.Epoch, epoch, engine.ErrFenced)
	}
	for i := range d.Sent {
		if err := h.checkMessage(d.Sent[i].MessageKey); err != nil {
			return err
		}
	}
	for _, m := range d.Consumed {
		if err := h.checkMessage(m); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) checkMessage(m engine.MessageKey) error {
	if err := h.checkPartition(m.Partition); err != nil {
		return err
	}
	return h.checkPartition(m.From)
}

// writer turns deltas into one batch. What a batch changes twice is written
// once: an instance is often started, run and ended by the same batch, and most
// messages are consumed by the batch that sends them. So all that an instance
// gains waits in a change, and messages wait in sent; what later deltas undo
// never reaches the batch. Other deletions than those of whole instances go into
// the batch at once, and so before what finish adds.
type writer struct {
	hub     *Hub
	batch   *pebble.Batch
	changes map[history.Number]*change
	order   []*change // of first mention
	sent    map[engine.MessageKey][]byte
	erased  map[history.Number]erased // stored before the batch
	cleared span                      // of those that are removed by ranges; its end is 0 for none
	counts  engine.Counts             // what the batch adds to the hub's
	stored  *pebble.Iterator          // over the records before the batch; nil until it is needed
	buf     []byte                    // for one encoded value at a time
	err     error                     // the first one; the batch is of no use then
}

// change is what a batch adds to an instance.
type change struct {
	partition int
	number    history.Number
	id        history.InstanceID
	row       *history.Instance     // the last one
	oldStatus history.RuntimeStatus // of the row that is stored before the batch; Unknown when there is none
	records   []*engine.Record
	work      engine.Flag
}

// created reports whether nothing of the instance is stored before the batch.
func (c *change) created() bool { return c.row != nil && c.oldStatus == history.Unknown }

func newWriter(h *Hub) *writer {
	return &writer{
		hub: h, batch: h.db.pebble.NewBatch(),
		changes: make(map[history.Number]*change), sent: make(map[engine.MessageKey][]byte),
		erased: make(map[history.Number]erased), counts: engine.Counts{},
	}
}

func (w *writer) add(d *engine.Delta) {
	if d.Erase != nil {
		w.erase(d)
	}
	if d.DropRecords.First < d.DropRecords.End {
		w.dropRecords(d)
	}
	w.change(d)
	for _, key := range d.Consumed {
		// A key is never used again, so a message in sent cannot be stored too.
		if _, ok := w.sent[key]; ok {
			delete(w.sent, key)
		} else {
			w.delete(w.hub.messageKey(key))
		}
	}
	for i := range d.Sent {
		w.sent[d.Sent[i].MessageKey] = d.Sent[i].Bytes
	}
	for i := range d.ClearTimers {
		w.delete(w.hub.timerKey(d.Partition, d.ClearTimers[i]))
	}
	for i := range d.SetTimers {
		t := &d.SetTimers[i]
		w.set(w.hub.timerKey(d.Partition, *t), []byte(t.Instance))
	}
}

func (w *writer) change(d *engine.Delta) {
	if d.Row == nil && d.Record == nil && d.Work == engine.Keep {
		return
	}
	c := w.changes[d.Number]
	if c == nil {
		c = &change{number: d.Number}
		w.changes[d.Number] = c
		w.order = append(w.order, c)
	}
	c.partition, c.id = d.Partition, d.ID
	if d.Row != nil {
		if c.row == nil {
			c.oldStatus = d.OldStatus
		}
		c.row = d.Row
	}
	if d.Record != nil {
		c.records = append(c.records, d.Record)
	}
	if d.Work != engine.Keep {
		c.work = d.Work
	}
}

func (w *writer) erase(d *engine.Delta) {
	e := d.Erase
	if d.Row == nil || d.ID != e.ID {
		w.delete(w.hub.idKey(e.ID))
	}
	oldStatus := e.Status
	if c := w.changes[e.Number]; c != nil {
		created := c.created()
		if c.row != nil {
			oldStatus = c.oldStatus
		}
		*c = change{number: e.Number}
		if created {
			return
		}
	}
	w.erased[e.Number] = erased{d.Partition, e, oldStatus}
}

func (w *writer) dropRecords(d *engine.Delta) {
	first, end := d.DropRecords.First, d.DropRecords.End
	if c := w.changes[d.Number]; c != nil {
		c.records = slices.DeleteFunc(c.records, func(r *engine.Record) bool { return first <= r.Seq && r.Seq < end })
		if c.created() {
			return
		}
	}
	w.deleteRecords(w.hub.recordKey(d.Number, first), w.hub.recordKey(d.Number, end))
}

// finish adds what has waited and returns the batch, and what the hub's counts
// are after it.
func (w *writer) finish() (*pebble.Batch, engine.Counts, error) {
	w.writeErased()
	for _, c := range w.order {
		w.writeRow(c)
		for _, r := range c.records {
			w.writeRecord(c.number, r)
		}
		switch {
		case c.work == engine.Set:
			w.set(w.hub.workKey(c.partition, c.number), []byte(c.id))
		case c.work == engine.Clear && !c.created():
			w.delete(w.hub.workKey(c.partition, c.number))
		}
	}
	for key, bytes := range w.sent {
		w.set(w.hub.messageKey(key), bytes)
	}
	if w.stored != nil {
		w.fail(w.stored.Close())
	}
	counts := w.writeCounts()
	return w.batch, counts, w.err
}

func (w *writer) writeRow(c *change) {
	if c.row == nil {
		return
	}
	w.buf = history.AppendInstance(w.buf[:0], c.row)
	w.set(w.hub.rowKey(c.number), w.buf)
	if c.created() {
		w.buf = binary.BigEndian.AppendUint64(w.buf[:0], uint64(c.number))
		w.set(w.hub.idKey(c.id), w.buf)
		w.count(c.id, c.row.Status, 1)
		for _, beginning := range w.hub.stretches(c.row, c.row.Status) {
			w.set(beginning.number(c.number), nil)
		}
		return
	}
	if c.oldStatus != c.row.Status && indexed(c.id) {
		w.count(c.id, c.oldStatus, -1)
		w.count(c.id, c.row.Status, 1)
		w.delete(w.hub.statusStretch(c.oldStatus).number(c.number))
		w.set(w.hub.statusStretch(c.row.Status).number(c.number), nil)
	}
}

func (w *writer) set(k key, value []byte) { w.fail(w.batch.Set(k, value, nil)) }

func (w *writer) delete(k key) { w.fail(w.batch.Delete(k, nil)) }

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
