package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// Commit implements [store.Tenure].
func (t *tenure) Commit(ctx context.Context, lane int, deltas []*store.Delta) error {
	h := t.hub
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.db.leave()
	if lane != 0 {
		return fmt.Errorf("lane %d: there is one", lane)
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := t.check(); err != nil || len(deltas) == 0 {
		return err
	}
	var released []*store.Delta
	for _, d := range deltas {
		if err := t.admit(d); err != nil {
			return err
		}
		for _, before := range released {
			if before.Partition == d.Partition {
				return fmt.Errorf("partition %d was released by a delta before: %w", d.Partition, store.ErrFenced)
			}
		}
		if d.Release != nil {
			released = append(released, d)
		}
	}
	if err := h.store(deltas); err != nil {
		return fmt.Errorf("commit %d deltas: %w", len(deltas), err)
	}
	for _, d := range released {
		t.owned[d.Partition], t.carry[d.Partition] = false, slices.Clone(d.Release.Carry)
	}
	return nil
}

// store writes deltas. writing is held.
func (h *Hub) store(deltas []*store.Delta) (err error) {
	if h.counts == nil {
		if h.counts, err = h.readCounts(h.db.pebble); err != nil {
			return err
		}
	}
	if h.writer == nil {
		h.writer = newWriter(h)
	}
	w := h.writer
	defer w.reset()
	w.batch = h.db.pebble.NewBatch()
	for _, d := range deltas {
		w.add(d)
	}
	if err := w.finish(); err != nil {
		return err
	}
	if w.batch.Empty() {
		return w.batch.Close()
	}
	if err := h.db.space.take(w.batch.Len()); err != nil {
		return err
	}
	counts := h.counts
	h.counts = nil // not known, unless all goes well
	h.view.begin()
	if err := h.db.write(w.batch); err != nil {
		return err
	}
	h.view.end()
	*counts = w.counts
	h.counts = counts
	if w.cleared.end > 0 {
		h.db.reclaimer.add(h.id, w.cleared)
	}
	return nil
}

// admit checks a delta before anything of its commit is written. writing is
// held.
func (t *tenure) admit(d *store.Delta) error {
	h := t.hub
	if err := h.checkPartition(d.Partition); err != nil {
		return err
	}
	if !t.owned[d.Partition] {
		return fmt.Errorf("tenure %d does not own partition %d: %w", t.id, d.Partition, store.ErrFenced)
	}
	if d.Release != nil && d.Release.To != 0 {
		return fmt.Errorf("partition %d cannot be handed to tenure %d: there is one tenure", d.Partition, d.Release.To)
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

func (h *Hub) checkMessage(m store.MessageKey) error {
	if err := h.checkPartition(m.Partition); err != nil {
		return err
	}
	return h.checkPartition(m.From)
}

// writer turns deltas into one batch. What a batch changes twice is written
// once: an instance is often started, run and ended by the same batch, and most
// messages are consumed by the batch that sends them. So all that an instance
// gains waits in a change, and messages wait in sent; what later deltas undo
// never reaches the batch. Other deletions than those of whole instances go
// into the batch at once, and so before what finish adds.
//
// finish writes space by space, in order of numbers: Pebble inserts a key that
// follows the last one without looking for its place.
type writer struct {
	hub     *Hub
	batch   *pebble.Batch
	places  map[history.Number]int // where an instance is in changes
	changes []change
	sent    map[store.MessageKey][]byte
	erased  map[history.Number]erased // stored before the batch
	cleared span                      // of those that are removed by ranges; its end is 0 for none
	counts  counts                    // what the batch adds to the hub's; once it is finished what they are then
	stored  *pebble.Iterator          // over the records before the batch; nil until it is needed
	key     key                       // for one key at a time
	value   []byte                    // for one encoded value at a time
	err     error                     // the first one; the batch is of no use then
}

// change is what a batch adds to an instance.
type change struct {
	partition int
	number    history.Number
	id        history.InstanceID
	row       *history.Instance     // the last one
	oldStatus history.RuntimeStatus // of the row that is stored before the batch; Unknown when there is none
	records   []*store.Record
	work      store.Flag
}

// created reports whether nothing of the instance is stored before the batch.
func (c *change) created() bool { return c.row != nil && c.oldStatus == history.Unknown }

// manyChanges is how many changes a writer has room for while it waits for its
// next batch.
const manyChanges = 4096

func newWriter(h *Hub) *writer {
	return &writer{
		hub: h, places: make(map[history.Number]int), sent: make(map[store.MessageKey][]byte), erased: make(map[history.Number]erased),
		key: make(key, 0, 64),
	}
}

// reset forgets a batch, and keeps the room it took if that is not much.
func (w *writer) reset() {
	if len(w.changes) > manyChanges || len(w.erased) > manyChanges || len(w.sent) > manyChanges {
		*w = *newWriter(w.hub)
		return
	}
	for i := range w.changes {
		c := &w.changes[i]
		clear(c.records)
		*c = change{records: c.records[:0]}
	}
	clear(w.places)
	clear(w.sent)
	clear(w.erased)
	*w = writer{hub: w.hub, places: w.places, changes: w.changes[:0], sent: w.sent, erased: w.erased, key: w.key, value: w.value}
}

func (w *writer) add(d *store.Delta) {
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
			w.delete(w.space(spaceInbox).message(key))
		}
	}
	for i := range d.Sent {
		w.sent[d.Sent[i].MessageKey] = d.Sent[i].Bytes
	}
	for i := range d.ClearTimers {
		w.delete(w.space(spaceTimers).timer(d.Partition, &d.ClearTimers[i]))
	}
	for i := range d.SetTimers {
		t := &d.SetTimers[i]
		w.value = append(w.value[:0], t.Instance...)
		w.set(w.space(spaceTimers).timer(d.Partition, t), w.value)
	}
}

func (w *writer) change(d *store.Delta) {
	if d.Row == nil && d.Record == nil && d.Work == store.Keep {
		return
	}
	c := w.changeOf(d.Number)
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
	if d.Work != store.Keep {
		c.work = d.Work
	}
}

// changeOf returns what the batch adds to instance n, nothing at first.
func (w *writer) changeOf(n history.Number) *change {
	at, ok := w.places[n]
	if !ok {
		at = len(w.changes)
		w.places[n] = at
		if at < cap(w.changes) {
			w.changes = w.changes[:at+1] // with room for records
		} else {
			w.changes = append(w.changes, change{})
		}
		w.changes[at].number = n
	}
	return &w.changes[at]
}

func (w *writer) erase(d *store.Delta) {
	e := d.Erase
	if d.Row == nil || d.ID != e.ID {
		w.delete(append(w.space(spaceIDs), e.ID...))
	}
	oldStatus := e.Status
	if at, ok := w.places[e.Number]; ok {
		c := &w.changes[at]
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

func (w *writer) dropRecords(d *store.Delta) {
	first, end := d.DropRecords.First, d.DropRecords.End
	if at, ok := w.places[d.Number]; ok {
		c := &w.changes[at]
		c.records = slices.DeleteFunc(c.records, func(r *store.Record) bool { return first <= r.Seq && r.Seq < end })
		if c.created() {
			return
		}
	}
	w.deleteRecords(w.hub.recordKey(d.Number, first), w.hub.recordKey(d.Number, end))
}

// finish adds what has waited.
func (w *writer) finish() error {
	w.writeErased()
	slices.SortFunc(w.changes, func(a, b change) int { return cmp.Compare(a.number, b.number) })
	w.writeRows()
	w.writeRecords()
	w.writeStatuses()
	w.writeNew()
	w.writeWork()
	for key, bytes := range w.sent {
		w.set(w.space(spaceInbox).message(key), bytes)
	}
	if w.stored != nil {
		w.fail(w.stored.Close())
	}
	w.writeCounts()
	return w.err
}

func (w *writer) writeRows() {
	for i := range w.changes {
		if c := &w.changes[i]; c.row != nil {
			w.value = history.AppendInstance(w.value[:0], c.row)
			w.set(w.space(spaceRows).number(c.number), w.value)
		}
	}
}

func (w *writer) writeRecords() {
	for i := range w.changes {
		c := &w.changes[i]
		for _, r := range c.records {
			w.writeRecord(c.number, r)
		}
	}
}

// writeStatuses moves instances from status to status, in the index and in the
// counts.
func (w *writer) writeStatuses() {
	for _, status := range statuses {
		for i := range w.changes {
			c := &w.changes[i]
			if c.row == nil || !indexed(c.id) || c.row.Status == c.oldStatus {
				continue
			}
			switch status {
			case c.row.Status:
				w.set(w.space(spaceStatuses).uint8(uint8(status)).number(c.number), nil)
				w.counts[uint8(status)]++
			case c.oldStatus:
				if !c.created() {
					w.delete(w.space(spaceStatuses).uint8(uint8(status)).number(c.number))
					w.counts[uint8(status)]--
				}
			}
		}
	}
}

// statuses is all that are stored, also those that this build cannot read.
var statuses = append(history.Statuses(), history.Unknown)

// writeNew writes what an instance has from its creation on.
func (w *writer) writeNew() {
	for i := range w.changes {
		if c := &w.changes[i]; c.created() {
			w.value = binary.BigEndian.AppendUint64(w.value[:0], uint64(c.number))
			w.set(append(w.space(spaceIDs), c.id...), w.value)
		}
	}
	for i := range w.changes {
		c := &w.changes[i]
		if !c.created() || !indexed(c.id) {
			continue
		}
		w.set(w.space(spaceNames).folded(c.row.Name).number(c.number), nil)
		for name, value := range c.row.Tags {
			w.set(w.space(spaceTags).text(name).text(value).number(c.number), nil)
		}
		for _, label := range c.row.Labels {
			w.set(w.space(spaceLabels).text(label).number(c.number), nil)
		}
	}
}

func (w *writer) writeWork() {
	for i := range w.changes {
		c := &w.changes[i]
		switch {
		case c.work == store.Set:
			w.value = append(w.value[:0], c.id...)
			w.set(w.space(spaceWork).partition(c.partition).number(c.number), w.value)
		case c.work == store.Clear && !c.created():
			w.delete(w.space(spaceWork).partition(c.partition).number(c.number))
		}
	}
}

func (w *writer) set(k key, value []byte) { w.fail(w.batch.Set(k, value, nil)) }

func (w *writer) delete(k key) { w.fail(w.batch.Delete(k, nil)) }

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// space begins a key, in place of the one before.
func (w *writer) space(space byte) key {
	w.key = w.key[:0].uint16(w.hub.id).uint8(space)
	return w.key
}
