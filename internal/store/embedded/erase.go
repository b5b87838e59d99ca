package embedded

import (
	"bytes"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
)

// manyErased is how many neighbours are erased by ranges of keys rather than
// one by one: a range tombstone is dearer to readers than a few of single keys.
const manyErased = 16

// erased is a stored instance that the batch removes.
type erased struct {
	partition int
	row       *history.Instance
	status    history.RuntimeStatus // of the row that is stored before the batch
}

// writeErased removes what has been erased. It runs before anything is set, so
// that what the batch stores within a range survives.
func (w *writer) writeErased() {
	if len(w.erased) == 0 {
		return
	}
	for _, e := range w.erased {
		w.count(e.row.ID, e.status, -1)
	}
	numbers := slices.Sorted(maps.Keys(w.erased))
	for _, run := range w.runs(numbers) {
		if len(run) >= manyErased {
			w.eraseRun(run)
			continue
		}
		for _, n := range run {
			w.eraseOne(n)
		}
	}
}

// runs cuts numbers, which are sorted, wherever another row is stored between
// two of them. No other commit of the hub comes between this look and the
// batch.
func (w *writer) runs(numbers []history.Number) [][]history.Number {
	if len(numbers) < manyErased {
		return [][]history.Number{numbers}
	}
	it, err := w.hub.db.pebble.NewIter(newKey(w.hub.id, spaceRows).prefix())
	if err != nil {
		w.fail(err)
		return nil
	}
	var runs [][]history.Number
	first, there := 0, false
	for i, n := range numbers {
		k := w.space(spaceRows).number(n)
		if next := there && it.Next() && bytes.Equal(it.Key(), k); next {
			continue
		}
		if i > first {
			runs = append(runs, numbers[first:i])
		}
		first = i
		there = it.SeekGE(k) && bytes.Equal(it.Key(), k)
	}
	w.fail(it.Close())
	return append(runs, numbers[first:])
}

func (w *writer) eraseOne(n history.Number) {
	e := w.erased[n]
	w.delete(w.space(spaceRows).number(n))
	w.delete(w.space(spaceWork).partition(e.partition).number(n))
	for beginning := range w.stretches(e.row, e.status) {
		w.delete(beginning.number(n))
	}
	first := w.hub.recordKey(n, 0)
	w.deleteRecords(first, first[:len(first)-4].next())
}

// eraseRun removes instances between which there are no others: all keys with
// their numbers, and with those between, are theirs.
func (w *writer) eraseRun(run []history.Number) {
	first, end := run[0], run[len(run)-1]+1
	for _, space := range []byte{spaceRows, spaceRecords, spaceBig} {
		w.deleteRange(newKey(w.hub.id, space), first, end)
	}
	stretches := make(map[string]*[]history.Number)
	partitions := make(map[int]bool)
	for _, n := range run {
		e := w.erased[n]
		partitions[e.partition] = true
		for beginning := range w.stretches(e.row, e.status) {
			numbers, ok := stretches[string(beginning)]
			if !ok {
				numbers = new([]history.Number)
				stretches[string(beginning)] = numbers
			}
			*numbers = append(*numbers, n)
		}
	}
	for beginning, numbers := range stretches {
		if len(*numbers) >= manyErased {
			w.deleteRange(key(beginning), first, end)
			continue
		}
		for _, n := range *numbers {
			w.delete(key(beginning).number(n))
		}
	}
	for partition := range partitions {
		w.deleteStored(newKey(w.hub.id, spaceWork).partition(partition), first, end)
	}
	if w.cleared.end == 0 {
		w.cleared.first = first
	}
	w.cleared = w.cleared.with(span{first: first, end: end})
}

// deleteRange deletes the keys that begin with beginning and go on with a
// number from first to before end.
func (w *writer) deleteRange(beginning key, first, end history.Number) {
	w.fail(w.batch.DeleteRange(slices.Clone(beginning).number(first), slices.Clone(beginning).number(end), nil))
}

// deleteStored is deleteRange for where few keys, mostly none, are stored.
func (w *writer) deleteStored(beginning key, first, end history.Number) {
	it, err := w.hub.db.pebble.NewIter(&pebble.IterOptions{LowerBound: slices.Clone(beginning).number(first), UpperBound: slices.Clone(beginning).number(end)})
	if err != nil {
		w.fail(err)
		return
	}
	for it.First(); it.Valid(); it.Next() {
		w.delete(it.Key())
	}
	w.fail(it.Close())
}
