package embedded

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// How a record's value begins.
const (
	inline = 0 // the record's bytes follow
	apart  = 1 // nothing follows, the bytes are in the space of big records
)

// bigRecord is the size from which a record is stored apart. The bytes are then
// not read by who only wants to know what records there are, and not rewritten
// by each compaction of the small ones around them.
const bigRecord = 16 << 10

// manyRecords is how many records are deleted one by one. A range tombstone for
// each small instance would slow down every read.
const manyRecords = 64

func (w *writer) writeRecord(n history.Number, r *store.Record) {
	if len(r.Bytes) >= bigRecord {
		w.value = append(w.value[:0], apart)
		w.set(w.space(spaceRecords).number(n).uint32(r.Seq), w.value)
		w.set(w.space(spaceBig).number(n).uint32(r.Seq), r.Bytes)
		return
	}
	w.value = append(append(w.value[:0], inline), r.Bytes...)
	w.set(w.space(spaceRecords).number(n).uint32(r.Seq), w.value)
}

// deleteRecords deletes the stored records from first to before end, both keys
// of records.
func (w *writer) deleteRecords(first, end key) {
	if w.stored == nil {
		it, err := w.hub.db.pebble.NewIter(newKey(w.hub.id, spaceRecords).prefix())
		if err != nil {
			w.fail(err)
			return
		}
		w.stored = it
	}
	it := w.stored
	count := 0
	for ok := it.SeekGE(first); ok && bytes.Compare(it.Key(), end) < 0; ok = it.Next() {
		if count++; count > manyRecords {
			w.fail(w.batch.DeleteRange(first, end, nil))
			w.fail(w.batch.DeleteRange(bigOf(first), bigOf(end), nil))
			return
		}
		w.delete(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			w.fail(err)
			return
		}
		if len(value) > 0 && value[0] == apart {
			w.delete(bigOf(it.Key()))
		}
	}
	w.fail(it.Error())
}

// bigOf returns the key of the big record whose key among the records is k.
func bigOf(k key) key {
	big := slices.Clone(k)
	big[2] = spaceBig
	return big
}

// Records implements [store.Reader].
func (h *Hub) Records(ctx context.Context, number history.Number) iter.Seq2[store.Record, error] {
	bounds := newKey(h.id, spaceRecords).number(number).prefix()
	return h.recordsAt(number, h.scan(ctx, bounds, (*pebble.Iterator).First, (*pebble.Iterator).Next))
}

// recordsAt yields the records that an iterator comes to.
func (h *Hub) recordsAt(number history.Number, at iter.Seq2[*pebble.Iterator, error]) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for it, err := range at {
			var rec store.Record
			if err == nil {
				rec, err = h.readRecord(it)
			}
			if err != nil {
				yield(store.Record{}, fmt.Errorf("records of instance %d: %w", number, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// LastRecord implements [store.Reader].
func (h *Hub) LastRecord(ctx context.Context, number history.Number) (rec store.Record, ok bool, err error) {
	bounds := newKey(h.id, spaceRecords).number(number).prefix()
	return h.lastAt(number, h.scan(ctx, bounds, (*pebble.Iterator).Last, (*pebble.Iterator).Prev))
}

// lastAt returns the record that an iterator comes to first.
func (h *Hub) lastAt(number history.Number, at iter.Seq2[*pebble.Iterator, error]) (rec store.Record, ok bool, err error) {
	for it, err := range at {
		if err == nil {
			rec, err = h.readRecord(it)
		}
		if err != nil {
			return store.Record{}, false, fmt.Errorf("last record of instance %d: %w", number, err)
		}
		return rec, true, nil
	}
	return store.Record{}, false, nil
}

// readRecord reads the record that it stands on, and a big one as of the same
// moment.
func (h *Hub) readRecord(it *pebble.Iterator) (store.Record, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return store.Record{}, err
	}
	k := fixed(it.Key())
	rec := store.Record{Seq: k.uint32()}
	switch {
	case len(value) > 0 && value[0] == inline:
		rec.Bytes = slices.Clone(value[1:])
		return rec, nil
	case len(value) == 1 && value[0] == apart:
		rec.Bytes, err = readClone(it, bigOf(it.Key()))
		return rec, err
	}
	return store.Record{}, fmt.Errorf("record %d of %d bytes is damaged", rec.Seq, len(value))
}

// readClone returns a copy of the value of k as of the moment that it reads.
func readClone(it *pebble.Iterator, k key) (_ []byte, err error) {
	at, err := it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: k, UpperBound: append(slices.Clone(k), 0)}})
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if !at.First() {
		if err := at.Error(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("key %x is missing", []byte(k))
	}
	value, err := at.ValueAndErr()
	return slices.Clone(value), err
}
