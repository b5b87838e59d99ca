package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// scan yields an iterator within bounds, standing on one key after the other:
// the one that first moves to, then those that next moves to. The iterator is
// good until the loop goes on. A key that has another length than those of its
// space is an error.
func (h *Hub) scan(ctx context.Context, bounds *pebble.IterOptions, first, next func(*pebble.Iterator) bool) iter.Seq2[*pebble.Iterator, error] {
	return func(yield func(*pebble.Iterator, error) bool) {
		if err := h.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		defer h.db.leave()
		it, err := h.iterator(bounds)
		if err != nil {
			yield(nil, err)
			return
		}
		defer it.Close() // its error is that of it.Error
		steps(ctx, it, bounds, first, next)(yield)
	}
}

// steps is scan for an iterator that there is already.
func steps(ctx context.Context, it *pebble.Iterator, bounds *pebble.IterOptions, first, next func(*pebble.Iterator) bool) iter.Seq2[*pebble.Iterator, error] {
	return func(yield func(*pebble.Iterator, error) bool) {
		shape := shapes[bounds.LowerBound[numberAt-1]]
		for ok := first(it); ok; ok = next(it) {
			err := ctx.Err()
			if len(it.Key()) != numberAt+shape.length {
				err = cmp.Or(err, fmt.Errorf("the key of a %s, %x, is damaged", shape.name, it.Key()))
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(it, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(nil, err)
		}
	}
}

// FindInstance implements [store.Reader].
func (h *Hub) FindInstance(ctx context.Context, id history.InstanceID) (history.Instance, bool, error) {
	row, ok, err := h.findInstance(ctx, id)
	if err != nil {
		return history.Instance{}, false, fmt.Errorf("find instance %s: %w", id, err)
	}
	return row, ok, nil
}

func (h *Hub) findInstance(ctx context.Context, id history.InstanceID) (row history.Instance, ok bool, err error) {
	if err := h.begin(ctx); err != nil {
		return row, false, err
	}
	defer h.db.leave()
	var encoded []byte
	err = h.view.read(func(r pebble.Reader) (err error) {
		encoded, err = h.findRow(r, id)
		return err
	})
	err = cmp.Or(h.err(), err) // what was read may lack what was deleted
	if err != nil || encoded == nil {
		return row, false, err
	}
	row, err = history.DecodeInstance(encoded)
	return row, err == nil, err
}

// ReadInstance implements [store.Reader].
func (h *Hub) ReadInstance(ctx context.Context, id history.InstanceID, read func(store.Snapshot) error) (ok bool, err error) {
	if err := h.begin(ctx); err != nil {
		return false, fmt.Errorf("read instance %s: %w", id, err)
	}
	defer h.db.leave()
	var row history.Instance
	var it *pebble.Iterator
	var bounds *pebble.IterOptions
	err = h.view.read(func(r pebble.Reader) error {
		if it != nil { // of another moment
			it.Close() // its error is that of it.Error
			it = nil
		}
		encoded, err := h.findRow(r, id)
		if err != nil || encoded == nil {
			return err
		}
		if row, err = history.DecodeInstance(encoded); err != nil {
			return err
		}
		bounds = newKey(h.id, spaceRecords).number(row.Number).prefix()
		it, err = r.NewIter(bounds)
		return err
	})
	if it != nil {
		defer it.Close() // its error is that of it.Error
	}
	if err = cmp.Or(h.err(), err); err != nil { // what was read may lack what was deleted
		return false, fmt.Errorf("read instance %s: %w", id, err)
	}
	if it == nil {
		return false, nil
	}
	return true, read(store.Snapshot{
		Row:     row,
		Records: h.recordsAt(row.Number, steps(ctx, it, bounds, (*pebble.Iterator).First, (*pebble.Iterator).Next)),
		Last: func() (store.Record, bool, error) {
			return h.lastAt(row.Number, steps(ctx, it, bounds, (*pebble.Iterator).Last, (*pebble.Iterator).Prev))
		},
	})
}

// findRow returns a copy of the row of the instance that has id, nil for none.
func (h *Hub) findRow(r pebble.Reader, id history.InstanceID) (row []byte, err error) {
	var number history.Number
	ok, err := get(r, h.idKey(id), func(value []byte) error {
		number, err = decodeNumber(value)
		return err
	})
	if err != nil || !ok {
		return nil, err
	}
	ok, err = get(r, h.rowKey(number), func(value []byte) error {
		row = slices.Clone(value)
		return nil
	})
	if err == nil && !ok {
		err = fmt.Errorf("row %d is missing: the store is damaged", number)
	}
	return row, err
}

func decodeNumber(value []byte) (history.Number, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("number of %d bytes is damaged", len(value))
	}
	return history.Number(binary.BigEndian.Uint64(value)), nil
}

// get calls found with the value of k, if there is one; the value is good until
// found returns.
func get(r pebble.Reader, k key, found func(value []byte) error) (ok bool, err error) {
	value, closer, err := r.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(found(value), closer.Close())
}

// LastNumber implements [store.Reader].
func (h *Hub) LastNumber(ctx context.Context) (history.Number, error) {
	for it, err := range h.scan(ctx, newKey(h.id, spaceRows).prefix(), (*pebble.Iterator).Last, (*pebble.Iterator).Prev) {
		if err != nil {
			return 0, fmt.Errorf("last number: %w", err)
		}
		k := fixed(it.Key())
		return k.number(), nil
	}
	return 0, nil
}

// Working implements [store.Reader].
func (h *Hub) Working(ctx context.Context, partition int) iter.Seq2[store.Ref, error] {
	return scanPartition(ctx, h, spaceWork, partition, func(k fixed, value []byte) store.Ref {
		return store.Ref{Number: k.number(), ID: history.InstanceID(value)}
	})
}

// Inbox implements [store.Reader].
func (h *Hub) Inbox(ctx context.Context, partition int) iter.Seq2[store.Message, error] {
	return scanPartition(ctx, h, spaceInbox, partition, func(k fixed, value []byte) store.Message {
		m := store.Message{Bytes: slices.Clone(value)}
		m.Seq, m.From, m.Partition = k.uint64(), int(k.uint16()), partition
		return m
	})
}

// scanPartition yields what read makes of the keys of partition in space.
func scanPartition[T any](ctx context.Context, h *Hub, space byte, partition int, read func(k fixed, value []byte) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := h.checkPartition(partition); err != nil {
			yield(none, err)
			return
		}
		bounds := newKey(h.id, space).partition(partition).prefix()
		for it, err := range h.scan(ctx, bounds, (*pebble.Iterator).First, (*pebble.Iterator).Next) {
			var value []byte
			if err == nil {
				value, err = it.ValueAndErr()
			}
			if err != nil {
				yield(none, fmt.Errorf("partition %d: %w", partition, err))
				return
			}
			if !yield(read(it.Key(), value), nil) {
				return
			}
		}
	}
}

// Timers implements [store.Reader].
func (h *Hub) Timers(ctx context.Context, partition int, after store.Timer, until time.Time, limit int) ([]store.Timer, error) {
	if err := h.checkPartition(partition); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	prefix := newKey(h.id, spaceTimers).partition(partition)
	bounds := &pebble.IterOptions{LowerBound: prefix, UpperBound: slices.Clone(prefix).int64(microsUp(until))}
	if after != (store.Timer{}) {
		bounds.LowerBound = append(newKey(h.id, spaceTimers).timer(partition, &after), 0)
	}
	var timers []store.Timer
	for it, err := range h.scan(ctx, bounds, (*pebble.Iterator).First, (*pebble.Iterator).Next) {
		var id []byte
		if err == nil {
			id, err = it.ValueAndErr()
		}
		if err != nil {
			return nil, fmt.Errorf("timers of partition %d: %w", partition, err)
		}
		t := store.Timer{Instance: history.InstanceID(id)}
		k := fixed(it.Key())
		t.ID, t.Number, t.Due = k.int32(), k.number(), time.UnixMicro(k.int64()).UTC()
		if timers = append(timers, t); len(timers) == limit {
			break
		}
	}
	return timers, nil
}
