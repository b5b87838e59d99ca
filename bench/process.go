package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/worker"
)

// process is a hub at work in this process, with its defaults.
type process struct {
	*client.Client
	engine *engine.Engine
	store  *tally

	worker *worker.Worker // nil: nothing runs
	end    context.CancelFunc
	ended  chan error // gets what the engine's Run returned
}

// startProcess starts a hub on the store of f and returns when it works: when a
// first hello has completed.
func startProcess(ctx context.Context, f *folder) (*process, error) {
	w, err := worker.New(newApp(), worker.Options{})
	if err != nil {
		return nil, err
	}
	p := accept(ctx, f, w)
	p.worker = w
	if err := p.complete(ctx, "Hello", nil); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// accept starts an engine on the store of f; with an exec of nil it only accepts
// what clients ask for.
func accept(ctx context.Context, f *folder, exec engine.Executor) *process {
	p := &process{store: &tally{Store: f.hub}, ended: make(chan error, 1)}
	p.engine = engine.New(p.store, exec, engine.Options{})
	p.Client = client.Local(p.engine)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	p.end = end
	go func() { p.ended <- p.engine.Run(running) }() // stop ends it and waits
	return p
}

// stop ends the hub; its store stays open.
func (p *process) stop() error {
	p.end()
	err := <-p.ended
	if p.worker != nil {
		p.worker.Close()
	}
	return err
}

// with calls f with a hub on an empty store.
func with(ctx context.Context, site site, f func(p *process) ([]metric, error)) ([]metric, error) {
	return withFolder(site, func(store *folder) ([]metric, error) {
		p, err := startProcess(ctx, store)
		if err != nil {
			return nil, err
		}
		metrics, err := f(p)
		return metrics, errors.Join(err, p.stop())
	})
}

// complete starts an instance and waits until it has completed.
func (p *process) complete(ctx context.Context, name string, input any) error {
	id, err := p.Start(ctx, name, input, client.StartOptions{})
	if err != nil {
		return err
	}
	return p.completed(ctx, id)
}

// completed waits until an instance has completed.
func (p *process) completed(ctx context.Context, id client.InstanceID) error {
	status, err := p.Wait(ctx, id)
	if err != nil {
		return err
	}
	return status.Err()
}

// begun returns when no instance waits for its first turn any more. There is no
// signal for that, so it asks now and then.
func (p *process) begun(ctx context.Context) error {
	return until(ctx, func() (bool, error) {
		pending, err := p.engine.List(ctx, hub.ListRequest{Query: history.Query{Statuses: []history.RuntimeStatus{history.Pending}, Limit: 1}}, hub.StatusOptions{})
		return err == nil && len(pending.Items) == 0, err
	})
}

// until asks now and then, and returns when it is so.
func until(ctx context.Context, so func() (bool, error)) error {
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		if is, err := so(); is || err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// each calls do for 0 to n-1, by so many callers at a time. After an error it
// begins no more calls and returns the first one.
func each(callers, n int, do func(i int) error) error {
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
