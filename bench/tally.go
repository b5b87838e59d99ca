package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/store"
)

// tally is a store that counts, and on demand keeps, what is committed.
type tally struct {
	store.Store
	commits, deltas atomic.Int64
	committing      atomic.Int64 // time spent, ns

	keep atomic.Bool
	mu   sync.Mutex // guards kept
	kept []store.Delta
}

// load is what a tally counted, and the CPU time of the process, up to a moment.
type load struct {
	at              time.Time
	commits, deltas int64
	committing, cpu time.Duration
}

func (t *tally) load() load {
	return load{time.Now(), t.commits.Load(), t.deltas.Load(), time.Duration(t.committing.Load()), processTime()}
}

// Join implements [store.Store].
func (t *tally) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	joined, err := t.Store.Join(ctx, self)
	return &tallied{joined, t}, err
}

// tallied is a tenure whose commits are counted.
type tallied struct {
	store.Tenure
	tally *tally
}

func (d *tallied) Commit(ctx context.Context, lane int, deltas []*store.Delta) error {
	t := d.tally
	if len(deltas) == 0 {
		return d.Tenure.Commit(ctx, lane, nil)
	}
	t.commits.Add(1)
	t.deltas.Add(int64(len(deltas)))
	if t.keep.Load() {
		t.mu.Lock()
		for _, d := range deltas {
			t.kept = append(t.kept, *d)
		}
		t.mu.Unlock()
	}
	began := time.Now()
	defer func() { t.committing.Add(int64(time.Since(began))) }()
	return d.Tenure.Commit(ctx, lane, deltas)
}
