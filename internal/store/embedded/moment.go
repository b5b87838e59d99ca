package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

var _ store.Viewer = (*Hub)(nil)

// asOf is a hub as of one moment: a hub of its own whose readers get a
// snapshot.
type asOf struct {
	*Hub
	of     *Hub
	moment *moment
	odd    map[string]bool // keys that Instances could not read, some of them; Verify tells
}

// View implements [store.Viewer]. Close must come before that of the DB.
func (h *Hub) View(ctx context.Context) (store.View, error) {
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	v := &asOf{Hub: newHub(h.db, h.id), of: h, moment: h.view.hold(), odd: make(map[string]bool)}
	v.name, v.partitions = h.name, h.partitions
	v.view.before = &moment{Snapshot: v.moment.Snapshot, users: 1}
	v.view.commits.Store(1) // as if a commit were under way, for ever
	if err := cmp.Or(h.err(), v.loadEpochs()); err != nil {
		return nil, errors.Join(fmt.Errorf("view of hub %q: %w", h.name, err), v.Close())
	}
	return v, nil
}

func (v *asOf) Close() error {
	v.of.view.leave(v.moment)
	v.db.leave()
	return nil
}

// About implements [store.View].
func (v *asOf) About() []string {
	n := &v.db.numbering
	n.mu.Lock()
	about := []string{fmt.Sprintf("store %s, commit %d", n.id, n.last)}
	n.mu.Unlock()
	if cut, ok := v.db.Cut(); ok {
		about = append(about, fmt.Sprintf("when it was opened last, %d bytes of %s from byte %d on could not be read and were left out: %d commits or more that nobody was told of",
			cut.Bytes, cut.Log, cut.Offset, cut.Commits))
	}
	return about
}

// Epoch implements [store.View].
func (v *asOf) Epoch(partition int) store.Epoch { return v.epochs[partition] }

// The lengths of the keys of rows and records, and where the number begins in
// both.
const (
	rowKeyLen    = 2 + 1 + 8
	recordKeyLen = rowKeyLen + 4
	numberAt     = 2 + 1
)

// Instances implements [store.View]. Rows and records come in the same order,
// so it walks both at once.
func (v *asOf) Instances(ctx context.Context) iter.Seq2[store.Stored, error] {
	return func(yield func(store.Stored, error) bool) {
		rows, err := v.walk(spaceRows, rowKeyLen)
		if err != nil {
			yield(store.Stored{}, err)
			return
		}
		defer rows.it.Close() // its error is that of it.Error
		records, err := v.walk(spaceRecords, recordKeyLen)
		if err != nil {
			yield(store.Stored{}, err)
			return
		}
		defer records.it.Close()
		for rows.valid() || rows.it.Error() == nil && records.valid() {
			if err := ctx.Err(); err != nil {
				yield(store.Stored{}, err)
				return
			}
			stored := v.stored(rows, records)
			if !yield(stored, nil) {
				return
			}
			if rows.at(stored.Number) {
				rows.it.Next()
			}
			if records.at(stored.Number) || records.it.Error() != nil { // not read, or cannot be
				records.it.SeekGE(newKey(v.id, spaceRecords).number(stored.Number + 1))
			}
		}
		if err := cmp.Or(rows.it.Error(), records.it.Error()); err != nil {
			yield(store.Stored{}, err)
		}
	}
}

// walker goes through the keys of one space that have the right length.
type walker struct {
	it     *pebble.Iterator
	length int
	odd    map[string]bool
}

// maxOdd bounds the keys that are kept.
const maxOdd = 100

func (v *asOf) walk(space byte, length int) (*walker, error) {
	it, err := v.iterator(newKey(v.id, space).prefix())
	if err != nil {
		return nil, err
	}
	it.First()
	return &walker{it, length, v.odd}, nil
}

// valid reports whether there is a next key; those of other lengths are
// skipped.
func (w *walker) valid() bool {
	for w.it.Valid() && len(w.it.Key()) != w.length {
		if len(w.odd) < maxOdd {
			w.odd[string(w.it.Key())] = true
		}
		w.it.Next()
	}
	return w.it.Valid()
}

func (w *walker) number() history.Number {
	n := fixed(w.it.Key()[:numberAt+8])
	return n.number()
}

func (w *walker) at(n history.Number) bool { return w.valid() && w.number() == n }

// stored is what is next in rows, in records, or in both.
func (v *asOf) stored(rows, records *walker) store.Stored {
	var s store.Stored
	switch {
	case !rows.valid(), records.valid() && records.number() < rows.number():
		s.Number, s.Problem = records.number(), errors.New("there are records, but no row")
	default:
		s.Number = rows.number()
		var value []byte
		if value, s.Problem = rows.it.ValueAndErr(); s.Problem == nil {
			s.Row, s.Problem = history.DecodeInstance(slices.Clone(value))
		}
	}
	s.Records = func(yield func(store.Record, error) bool) {
		for ; records.at(s.Number); records.it.Next() {
			rec, err := v.readRecord(records.it)
			if !yield(rec, err) || err != nil {
				return
			}
		}
		if err := records.it.Error(); err != nil {
			yield(store.Record{}, err)
		}
	}
	return s
}
