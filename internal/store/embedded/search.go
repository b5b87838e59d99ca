package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// search walks what a query may match, newest first, in one snapshot.
type search struct {
	hub      *Hub
	q        history.Query
	from     history.Number
	before   history.Number // what is to be looked at is below
	rows     *stretch
	statuses union // nil unless they are among sets
	sets     intersection
	its      []*pebble.Iterator
	spent    int
	enough   func(before history.Number) bool // see intersection
}

// searchNumbers returns the range of numbers that q asks for; ok is false for
// none.
func searchNumbers(q *history.Query) (from, before history.Number, ok bool) {
	const lastMicros = math.MaxUint64 / history.MaxPartitions
	before = math.MaxUint64
	if q.CreatedFrom != nil {
		micros := q.CreatedFrom.UnixMicro()
		if micros > lastMicros {
			return 0, 0, false
		}
		from = history.NewNumber(max(micros, 0), 0)
	}
	if q.CreatedTo != nil {
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

// plan says how a search may go about it.
type plan struct {
	ids      int  // so many ids of a prefix are sorted by number; of more, each row is looked at
	budget   int  // after so much is spent the search may stop; 0: never
	statuses bool // the status of each number is wanted
}

// newSearch begins a search; ok is false if nothing can match. It must be
// closed.
func (h *Hub) newSearch(ctx context.Context, q history.Query, p plan) (_ *search, ok bool, err error) {
	s := &search{hub: h, q: q}
	if s.from, s.before, ok = searchNumbers(&q); !ok {
		return nil, false, nil
	}
	first := s.before
	s.enough = func(before history.Number) bool {
		return p.budget > 0 && s.spent > p.budget && before < first // the latter so that each page gets further
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.rows, err = s.open(newKey(h.id, spaceRows)); err != nil {
		return nil, false, err
	}
	if err := s.choose(ctx, p); err != nil {
		return nil, false, err
	}
	return s, true, nil
}

// choose takes every index that the query can use, or else the rows.
func (s *search) choose(ctx context.Context, p plan) error {
	q := &s.q
	if q.IDPrefix != "" {
		found, whole, err := s.numbersOf(ctx, q.IDPrefix, p.ids)
		if err != nil {
			return err
		}
		if whole {
			s.sets = append(s.sets, found)
		}
	}
	if indexed(history.InstanceID(q.IDPrefix)) {
		if err := s.chooseIndexes(p.statuses); err != nil {
			return err
		}
	}
	if len(s.sets) == 0 {
		s.sets = intersection{s.rows}
	}
	return nil
}

func (s *search) chooseIndexes(everyStatus bool) error {
	statuses := s.q.Statuses
	if len(statuses) == 0 && everyStatus {
		statuses = append(history.Statuses(), history.Unknown)
	}
	for _, status := range slices.Compact(slices.Sorted(slices.Values(statuses))) {
		stretch, err := s.open(s.hub.statusStretch(status))
		if err != nil {
			return err
		}
		stretch.status = status
		s.statuses = append(s.statuses, stretch)
	}
	if len(s.statuses) > 0 {
		s.sets = append(s.sets, s.statuses)
	}
	var others []key
	if s.q.Name != "" {
		others = append(others, s.hub.nameStretch(s.q.Name))
	}
	for name, value := range s.q.Tags {
		others = append(others, s.hub.tagStretch(name, value))
	}
	for _, label := range s.q.Labels {
		others = append(others, s.hub.labelStretch(label))
	}
	for _, beginning := range others {
		stretch, err := s.open(beginning)
		if err != nil {
			return err
		}
		s.sets = append(s.sets, stretch)
	}
	return nil
}

// open opens the keys that begin with beginning and end with a number asked
// for.
func (s *search) open(beginning key) (*stretch, error) {
	it, err := s.iterator(&pebble.IterOptions{
		LowerBound: slices.Clone(beginning).number(s.from), UpperBound: slices.Clone(beginning).number(s.before),
	})
	return &stretch{it: it, key: beginning, spent: &s.spent}, err
}

// iterator returns an iterator of the search's snapshot.
func (s *search) iterator(bounds *pebble.IterOptions) (it *pebble.Iterator, err error) {
	if len(s.its) == 0 {
		it, err = s.hub.iterator(bounds)
	} else {
		it, err = s.its[0].Clone(pebble.CloneOptions{IterOptions: bounds})
	}
	if err == nil {
		s.its = append(s.its, it)
	}
	return it, err
}

func (s *search) close() {
	for _, it := range s.its {
		it.Close() // its error is that of it.Error
	}
}

// numbersOf returns the numbers of the instances whose ids begin with prefix,
// and false if there are more than limit.
func (s *search) numbersOf(ctx context.Context, prefix string, limit int) (*listed, bool, error) {
	it, err := s.iterator(s.hub.idKey(history.InstanceID(prefix)).prefix())
	if err != nil {
		return nil, false, err
	}
	var found []history.Number
	seen := 0
	for it.First(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if seen++; seen > limit {
			return nil, false, nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, false, err
		}
		if len(value) != 8 {
			return nil, false, fmt.Errorf("number of %d bytes is damaged", len(value))
		}
		if n := history.Number(binary.BigEndian.Uint64(value)); s.from <= n && n < s.before {
			found = append(found, n)
		}
	}
	s.spent += seen * stepCost
	slices.Sort(found)
	slices.Reverse(found)
	return &listed{found}, true, it.Error()
}

// next returns the next number that all indexes agree on. After stopped the
// search is to be continued below s.before.
func (s *search) next(ctx context.Context) (n history.Number, ok, stopped bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, false, err
	}
	n, ok, stopped, err = s.sets.below(s.before, s.enough)
	if ok || stopped {
		s.before = n
	}
	return n, ok, stopped, err
}

// row reads the row of n, which next returned last. bad tells why it cannot be
// decoded, if so.
func (s *search) row(n history.Number) (row history.Instance, bad *store.Unreadable, err error) {
	s.spent += seekCost
	at, ok, err := s.rows.below(n + 1)
	if err != nil {
		return row, nil, err
	}
	if !ok || at != n {
		return row, nil, fmt.Errorf("row %d is missing, though an index names it: the store is damaged", n)
	}
	value, err := s.rows.it.ValueAndErr()
	if err != nil {
		return row, nil, fmt.Errorf("row %d: %w", n, err)
	}
	row, err = history.DecodeInstance(slices.Clone(value))
	if err != nil {
		return row, &store.Unreadable{Number: n, ID: row.ID, Problem: err.Error()}, nil
	}
	return row, nil, nil
}

// decided reports whether the indexes alone tell that a number matches.
func (s *search) decided() bool {
	q := &s.q
	if _, byID := s.sets[0].(*listed); q.IDPrefix != "" && !byID {
		return false
	}
	return !strings.HasPrefix(q.IDPrefix, "@") && s.statuses != nil && q.CompletedFrom == nil && q.CompletedTo == nil && q.Parent == ""
}
