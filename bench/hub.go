package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/worker"
	"github.com/perdure/perdure/store/embedded"
)

// folder is a store in a folder of its own.
type folder struct {
	dir string
	db  *embedded.DB
	hub *embedded.Hub
}

// openFolder makes an empty store on the disk of parent.
func openFolder(parent string) (*folder, error) {
	dir, err := os.MkdirTemp(parent, "perdure-bench-")
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	if f.db, err = embedded.Open(dir, embedded.Options{}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if f.hub, err = f.db.Hub("Bench", embedded.HubOptions{Create: true}); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// close closes the store and removes it.
func (f *folder) close() error { return errors.Join(f.db.Close(), os.RemoveAll(f.dir)) }

// process is a hub at work in this process, with its defaults.
type process struct {
	*client.Client
	engine *engine.Engine
	store  *tally

	folder *folder
	worker *worker.Worker
	end    context.CancelFunc
	ended  chan error // gets what the engine's Run returned
}

// openProcess starts a hub on an empty store and returns when it works.
func openProcess(ctx context.Context, parent string) (*process, error) {
	f, err := openFolder(parent)
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, f)
}

// startProcess starts a hub on the store of f, which is the process's from now
// on, and returns when it works.
func startProcess(ctx context.Context, f *folder) (*process, error) {
	w, err := worker.New(newApp(), worker.Options{})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	p := &process{store: &tally{Store: f.hub}, folder: f, worker: w, ended: make(chan error, 1)}
	p.engine = engine.New(p.store, w, engine.Options{})
	p.Client = client.Local(p.engine)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	p.end = end
	go func() { p.ended <- p.engine.Run(running) }() // close ends it and waits
	if err := p.complete(ctx, "Hello", nil); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// close ends the hub and removes its store.
func (p *process) close() error {
	p.end()
	err := <-p.ended
	p.worker.Close()
	return errors.Join(err, p.folder.close())
}

// with calls f with a hub on an empty store.
func with(ctx context.Context, site site, f func(p *process) ([]metric, error)) ([]metric, error) {
	p, err := openProcess(ctx, site.dir)
	if err != nil {
		return nil, err
	}
	metrics, err := f(p)
	return metrics, errors.Join(err, p.close())
}

// complete starts an instance and waits until it has completed.
func (p *process) complete(ctx context.Context, name string, input any) error {
	id, err := p.StartNew(ctx, name, input, client.StartOptions{})
	if err != nil {
		return err
	}
	return p.completed(ctx, id)
}

// completed waits until an instance has completed.
func (p *process) completed(ctx context.Context, id string) error {
	status, err := p.WaitForCompletion(ctx, id)
	if err != nil {
		return err
	}
	return status.Err()
}

// begun returns when no instance waits for its first turn any more. There is no
// signal for that, so it asks now and then.
func (p *process) begun(ctx context.Context) error {
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		pending, err := p.engine.List(ctx, engine.Query{Statuses: []history.RuntimeStatus{history.Pending}, Limit: 1}, engine.StatusOptions{})
		if err != nil || len(pending.Items) == 0 {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// each calls do for 0 to n-1, by as many callers at a time as there are. After
// an error it begins no more calls and returns the first one.
func each(n int, do func(i int) error) error {
	var (
		calls   sync.WaitGroup
		begun   atomic.Int64
		once    sync.Once
		failure error
	)
	for range min(callers, n) {
		calls.Go(func() { // ends when all is begun or failed; waited for below
			for i := begun.Add(1) - 1; i < int64(n); i = begun.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					once.Do(func() { failure = fmt.Errorf("call %d of %d: %w", i+1, n, err) })
					begun.Store(int64(n))
				}
			}
		})
	}
	calls.Wait()
	return failure
}

// tally is a store that counts, and on demand keeps, what is committed.
type tally struct {
	engine.Store
	commits, deltas atomic.Int64
	committing      atomic.Int64 // time spent, ns

	keep atomic.Bool
	mu   sync.Mutex // guards kept
	kept []engine.Delta
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

func (t *tally) Commit(ctx context.Context, deltas []*engine.Delta) error {
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
	return t.Store.Commit(ctx, deltas)
}
