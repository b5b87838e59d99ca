package embedded

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// ListInstances implements [engine.Reader]. Creation times are compared to the
// microsecond, as numbers hold them. Only IDPrefix looks at rows that are not
// on the page.
func (h *Hub) ListInstances(ctx context.Context, q engine.Query) (engine.Page, error) {
	page, err := h.listInstances(ctx, q)
	if err != nil {
		return engine.Page{}, fmt.Errorf("list instances: %w", err)
	}
	return page, nil
}

func (h *Hub) listInstances(ctx context.Context, q engine.Query) (engine.Page, error) {
	if err := h.begin(ctx); err != nil {
		return engine.Page{}, err
	}
	defer h.db.leave()
	from, before, ok := numbers(q)
	if !ok {
		return engine.Page{}, nil
	}
	bounds := func(prefix key) *pebble.IterOptions {
		return &pebble.IterOptions{LowerBound: slices.Clone(prefix).number(from), UpperBound: slices.Clone(prefix).number(before)}
	}
	rows, err := h.db.pebble.NewIter(bounds(newKey(h.id, spaceRows)))
	if err != nil {
		return engine.Page{}, err
	}
	defer rows.Close()
	if err := h.db.settle(); err != nil {
		return engine.Page{}, err
	}
	order := newestFirst(rows)
	if len(q.Statuses) > 0 {
		merged, err := h.mergeStatuses(rows, q.Statuses, bounds)
		if err != nil {
			return engine.Page{}, err
		}
		defer merged.close()
		order = merged.next
	}
	return h.page(ctx, rows, order, q)
}

// numbers returns the range of numbers that q asks for; ok is false for none.
func numbers(q engine.Query) (from, before history.Number, ok bool) {
	const lastMicros = math.MaxUint64 / history.MaxPartitions
	before = math.MaxUint64
	if !q.CreatedFrom.IsZero() {
		micros := q.CreatedFrom.UnixMicro()
		if micros > lastMicros {
			return 0, 0, false
		}
		from = history.NewNumber(max(micros, 0), 0)
	}
	if !q.CreatedTo.IsZero() {
		micros := q.CreatedTo.UnixMicro()
		if micros < 0 {
			return 0, 0, false
		}
		if micros < lastMicros {
			before = history.NewNumber(micros+1, 0)
		}
	}
	if q.Before != 0 {
		before = min(before, q.Before)
	}
	return from, before, from < before
}

// page reads the rows that order names, until the page is full.
func (h *Hub) page(ctx context.Context, rows *pebble.Iterator, order func() (history.Number, bool, error), q engine.Query) (engine.Page, error) {
	limit := cmp.Or(q.Limit, 100)
	var page engine.Page
	for {
		number, ok, err := order()
		if err != nil || !ok {
			return page, err
		}
		if err := ctx.Err(); err != nil {
			return page, err
		}
		row, err := h.rowAt(rows, number)
		if err != nil {
			return page, fmt.Errorf("row %d: %w", number, err)
		}
		switch {
		case !q.Matches(&row):
		case len(page.Rows) == limit:
			page.Next = page.Rows[limit-1].Number
			return page, nil
		default:
			page.Rows = append(page.Rows, row)
		}
	}
}

// rowAt reads the row of number, moving rows there if it stands elsewhere.
func (h *Hub) rowAt(rows *pebble.Iterator, number history.Number) (history.Instance, error) {
	k := h.rowKey(number)
	if !rows.Valid() || !bytes.Equal(rows.Key(), k) {
		rows.SeekGE(k)
	}
	if err := rows.Error(); err != nil {
		return history.Instance{}, err
	}
	if !rows.Valid() || !bytes.Equal(rows.Key(), k) {
		return history.Instance{}, errors.New("missing, though the index of statuses names it: the store is damaged")
	}
	value, err := rows.ValueAndErr()
	if err != nil {
		return history.Instance{}, err
	}
	return history.DecodeInstance(slices.Clone(value))
}

// newestFirst returns the numbers of the keys of it, which end in one,
// backwards.
func newestFirst(it *pebble.Iterator) func() (history.Number, bool, error) {
	move := (*pebble.Iterator).Last
	return func() (history.Number, bool, error) {
		if !move(it) {
			return 0, false, it.Error()
		}
		move = (*pebble.Iterator).Prev
		k := fixed(it.Key())
		return k.number(), true, nil
	}
}

// merge is the scan of several statuses as one.
type merge struct {
	its   []*pebble.Iterator
	heads []head
}

// head is the next number of one status.
type head struct {
	number history.Number
	next   func() (history.Number, bool, error)
}

// mergeStatuses scans the index of statuses as of the moment that rows reads.
func (h *Hub) mergeStatuses(rows *pebble.Iterator, statuses []history.RuntimeStatus, bounds func(key) *pebble.IterOptions) (_ *merge, err error) {
	m := new(merge)
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	for _, status := range slices.Compact(slices.Sorted(slices.Values(statuses))) {
		it, err := rows.Clone(pebble.CloneOptions{IterOptions: bounds(newKey(h.id, spaceStatuses).uint8(uint8(status)))})
		if err != nil {
			return m, err
		}
		m.its = append(m.its, it)
		m.heads = append(m.heads, head{next: newestFirst(it)})
		if err := m.advance(len(m.heads) - 1); err != nil {
			return m, err
		}
	}
	return m, nil
}

// next returns the highest number of all; there are few statuses, so it looks
// at each.
func (m *merge) next() (history.Number, bool, error) {
	if len(m.heads) == 0 {
		return 0, false, nil
	}
	highest := 0
	for i := range m.heads {
		if m.heads[i].number > m.heads[highest].number {
			highest = i
		}
	}
	number := m.heads[highest].number
	return number, true, m.advance(highest)
}

// advance moves a head on, and removes it at its end.
func (m *merge) advance(i int) error {
	number, ok, err := m.heads[i].next()
	m.heads[i].number = number
	if !ok {
		m.heads = slices.Delete(m.heads, i, i+1)
	}
	return err
}

func (m *merge) close() {
	for _, it := range m.its {
		it.Close()
	}
}

// CountInstances implements [engine.Reader].
func (h *Hub) CountInstances(ctx context.Context, q engine.Query) (engine.Counts, error) {
	counts := engine.Counts{}
	for q.Before, q.Limit = 0, 1000; ; {
		page, err := h.ListInstances(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Rows {
			counts[page.Rows[i].Status]++
		}
		if q.Before = page.Next; page.Next == 0 {
			return counts, nil
		}
	}
}
