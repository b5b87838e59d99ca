// Package memory keeps a hub in maps. It is the plain reference that the other
// stores are compared with, and the store of tests; nothing outlives the
// process.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// Store implements [store.Store]. Create one with [New].
type Store struct {
	mu         sync.Mutex // guards all below
	partitions []partition
	rows       map[history.Number]history.Instance
	numbers    map[history.InstanceID]history.Number
	records    map[history.Number]map[uint32][]byte
	tenures    map[store.TenureID]*tenure // that are not over
	lanes      int
}

// Options tune a [Store]. The zero value is ready to use.
type Options struct {
	Lanes int // of each tenure; 0: 1
}

type partition struct {
	owner   store.TenureID // 0: nobody
	granted bool           // to its owner; false: it was handed over
	epoch   store.Epoch
	carry   []byte
	working map[history.Number]history.InstanceID
	inbox   map[store.MessageKey][]byte
	timers  map[timerKey]history.InstanceID
}

type timerKey struct {
	micros int64
	number history.Number
	id     int32
}

// New returns an empty hub. It panics unless partitions is from 1 to
// [history.MaxPartitions].
func New(partitions int) *Store { return NewWith(partitions, Options{}) }

// NewWith is [New] with options.
func NewWith(partitions int, options Options) *Store {
	if partitions < 1 || partitions > history.MaxPartitions {
		panic(fmt.Sprintf("memory.New: %d partitions, not 1 to %d", partitions, history.MaxPartitions))
	}
	s := &Store{
		partitions: make([]partition, partitions),
		rows:       make(map[history.Number]history.Instance),
		numbers:    make(map[history.InstanceID]history.Number),
		records:    make(map[history.Number]map[uint32][]byte),
		tenures:    make(map[store.TenureID]*tenure),
		lanes:      cmp.Or(options.Lanes, 1),
	}
	for i := range s.partitions {
		s.partitions[i] = partition{
			working: make(map[history.Number]history.InstanceID),
			inbox:   make(map[store.MessageKey][]byte),
			timers:  make(map[timerKey]history.InstanceID),
		}
	}
	return s
}

// Partitions implements [store.Store].
func (s *Store) Partitions() int { return len(s.partitions) }

func (s *Store) partition(i int) (*partition, error) {
	if i < 0 || i >= len(s.partitions) {
		return nil, fmt.Errorf("partition %d: the hub has %d", i, len(s.partitions))
	}
	return &s.partitions[i], nil
}

func (s *Store) apply(d *store.Delta) {
	p := &s.partitions[d.Partition]
	if e := d.Erase; e != nil {
		delete(s.rows, e.Number)
		delete(s.numbers, e.ID)
		delete(s.records, e.Number)
		delete(p.working, e.Number)
	}
	maps.DeleteFunc(s.records[d.Number], func(seq uint32, _ []byte) bool {
		return d.DropRecords.First <= seq && seq < d.DropRecords.End
	})
	if d.Row != nil {
		s.rows[d.Number] = cloneRow(*d.Row)
		s.numbers[d.ID] = d.Number
	}
	if d.Record != nil {
		if s.records[d.Number] == nil {
			s.records[d.Number] = make(map[uint32][]byte)
		}
		s.records[d.Number][d.Record.Seq] = slices.Clone(d.Record.Bytes)
	}
	switch d.Work {
	case store.Set:
		p.working[d.Number] = d.ID
	case store.Clear:
		delete(p.working, d.Number)
	}
	for _, key := range d.Consumed {
		delete(s.partitions[key.Partition].inbox, key)
	}
	for _, m := range d.Sent {
		s.partitions[m.Partition].inbox[m.MessageKey] = slices.Clone(m.Bytes)
	}
	for _, t := range d.ClearTimers {
		delete(p.timers, keyOf(t))
	}
	for _, t := range d.SetTimers {
		p.timers[keyOf(t)] = t.Instance
	}
	if h := d.Release; h != nil {
		p.owner, p.granted, p.carry = 0, false, slices.Clone(h.Carry)
		if s.tenures[h.To] != nil {
			p.owner = h.To
		}
		p.epoch++
	}
}

func keyOf(t store.Timer) timerKey { return timerKey{t.Due.UnixMicro(), t.Number, t.ID} }

// cloneRow copies what a row points to.
func cloneRow(r history.Instance) history.Instance {
	r.CustomStatus, r.Reason, r.Tags, r.Labels = slices.Clone(r.CustomStatus), slices.Clone(r.Reason), maps.Clone(r.Tags), slices.Clone(r.Labels)
	if r.Parent != nil {
		r.Parent = new(*r.Parent)
	}
	return r
}

// FindInstance implements [store.Reader].
func (s *Store) FindInstance(ctx context.Context, id history.InstanceID) (history.Instance, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[s.numbers[id]]
	return cloneRow(row), ok, ctx.Err()
}

// ReadInstance implements [store.Reader].
func (s *Store) ReadInstance(ctx context.Context, id history.InstanceID, read func(store.Snapshot) error) (bool, error) {
	s.mu.Lock()
	row, ok := s.rows[s.numbers[id]]
	row, records := cloneRow(row), s.recordsOf(row.Number)
	s.mu.Unlock()
	if err := ctx.Err(); err != nil || !ok {
		return false, err
	}
	return true, read(store.Snapshot{
		Row: row,
		Records: func(yield func(store.Record, error) bool) {
			for _, rec := range records {
				if err := ctx.Err(); !yield(rec, err) || err != nil {
					return
				}
			}
		},
		Last: func() (store.Record, bool, error) { return last(records) },
	})
}

// ListInstances implements [store.Reader].
func (s *Store) ListInstances(ctx context.Context, q history.Query) (store.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page store.Page
	limit, bytes := cmp.Or(q.Limit, 100), 0
	for _, number := range slices.Backward(slices.Sorted(maps.Keys(s.rows))) {
		row := s.rows[number]
		if !q.Matches(&row) {
			continue
		}
		if n := len(page.Rows); n == limit || bytes >= history.PageBytes {
			page.Next = page.Rows[n-1].Number
			break
		}
		page.Rows = append(page.Rows, cloneRow(row))
		bytes += history.RowBytes(&row)
	}
	return page, ctx.Err()
}

// CountInstances implements [store.Reader].
func (s *Store) CountInstances(ctx context.Context, q history.Query) (history.Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.Before = 0
	counts := history.Counts{}
	for _, row := range s.rows {
		if q.Matches(&row) {
			counts[row.Status]++
		}
	}
	return counts, ctx.Err()
}

// Records implements [store.Reader].
func (s *Store) Records(ctx context.Context, number history.Number) iter.Seq2[store.Record, error] {
	return snapshot(ctx, s, func() ([]store.Record, error) { return s.recordsOf(number), nil })
}

// LastRecord implements [store.Reader].
func (s *Store) LastRecord(ctx context.Context, number history.Number) (store.Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := s.recordsOf(number)
	rec, ok, _ := last(records)
	return rec, ok, ctx.Err()
}

func last(records []store.Record) (store.Record, bool, error) {
	if len(records) == 0 {
		return store.Record{}, false, nil
	}
	return records[len(records)-1], true, nil
}

func (s *Store) recordsOf(number history.Number) []store.Record {
	var records []store.Record
	for _, seq := range slices.Sorted(maps.Keys(s.records[number])) {
		records = append(records, store.Record{Seq: seq, Bytes: slices.Clone(s.records[number][seq])})
	}
	return records
}

// LastNumber implements [store.Reader].
func (s *Store) LastNumber(ctx context.Context) (history.Number, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last history.Number
	for number := range s.rows {
		last = max(last, number)
	}
	return last, ctx.Err()
}

// Working implements [store.Reader].
func (s *Store) Working(ctx context.Context, partition int) iter.Seq2[store.Ref, error] {
	return snapshot(ctx, s, func() ([]store.Ref, error) {
		p, err := s.partition(partition)
		if err != nil {
			return nil, err
		}
		var refs []store.Ref
		for _, number := range slices.Sorted(maps.Keys(p.working)) {
			refs = append(refs, store.Ref{Number: number, ID: p.working[number]})
		}
		return refs, nil
	})
}

// Inbox implements [store.Reader].
func (s *Store) Inbox(ctx context.Context, partition int) iter.Seq2[store.Message, error] {
	return snapshot(ctx, s, func() ([]store.Message, error) {
		p, err := s.partition(partition)
		if err != nil {
			return nil, err
		}
		var messages []store.Message
		for key, bytes := range p.inbox {
			messages = append(messages, store.Message{MessageKey: key, Bytes: slices.Clone(bytes)})
		}
		slices.SortFunc(messages, func(a, b store.Message) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Seq, b.Seq))
		})
		return messages, nil
	})
}

// snapshot yields what read returns, which runs once, under the lock.
func snapshot[T any](ctx context.Context, s *Store, read func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		s.mu.Lock()
		items, err := read()
		s.mu.Unlock()
		var none T
		for _, item := range items {
			if err = ctx.Err(); err != nil {
				break
			}
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			yield(none, err)
		}
	}
}

// Timers implements [store.Reader].
func (s *Store) Timers(ctx context.Context, partition int, after store.Timer, until time.Time, limit int) ([]store.Timer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.partition(partition)
	if err != nil {
		return nil, err
	}
	var timers []store.Timer
	for key, instance := range p.timers {
		due := time.UnixMicro(key.micros).UTC()
		if due.Before(until) && (after == (store.Timer{}) || key.compare(keyOf(after)) > 0) {
			timers = append(timers, store.Timer{Due: due, Number: key.number, ID: key.id, Instance: instance})
		}
	}
	slices.SortFunc(timers, func(a, b store.Timer) int { return keyOf(a).compare(keyOf(b)) })
	return timers[:min(limit, len(timers))], ctx.Err()
}

func (k timerKey) compare(other timerKey) int {
	return cmp.Or(cmp.Compare(k.micros, other.micros), cmp.Compare(k.number, other.number), cmp.Compare(k.id, other.id))
}
