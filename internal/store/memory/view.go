package memory

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

var _ store.Viewer = (*Store)(nil)

// View implements [store.Viewer] by a copy of the maps.
func (s *Store) View(ctx context.Context) (store.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	then := &Store{partitions: slices.Clone(s.partitions), rows: maps.Clone(s.rows), numbers: maps.Clone(s.numbers), records: maps.Clone(s.records)}
	for number, records := range then.records {
		then.records[number] = maps.Clone(records)
	}
	for i := range then.partitions {
		p := &then.partitions[i]
		p.working, p.inbox, p.timers = maps.Clone(p.working), maps.Clone(p.inbox), maps.Clone(p.timers)
	}
	return view{then}, ctx.Err()
}

// view is a store that nobody changes.
type view struct{ *Store }

func (v view) Epoch(partition int) store.Epoch { return v.partitions[partition].epoch }

func (v view) Instances(ctx context.Context) iter.Seq2[store.Stored, error] {
	return func(yield func(store.Stored, error) bool) {
		numbers := maps.Clone(v.records)
		for number := range v.rows {
			numbers[number] = nil
		}
		for _, number := range slices.Sorted(maps.Keys(numbers)) {
			row, ok := v.rows[number]
			stored := store.Stored{Number: number, Row: row, Records: v.Records(ctx, number)}
			if !ok {
				stored.Problem = errors.New("there are records, but no row")
			}
			if !yield(stored, ctx.Err()) {
				return
			}
		}
	}
}

// Verify has nothing to tell: all there is are the rows that the engine looks
// at.
func (v view) Verify(step func() error, _ func(history.Disagreement)) error { return step() }

func (v view) About() []string { return []string{"a store in memory"} }

func (v view) Close() error { return nil }
