package main

import (
	"context"
	"errors"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// growStored measures hello among x completed ones, and a page of the newest of
// them. The hellos that are measured are stored too: some thousands more.
func growStored(ctx context.Context, site site, xs []int, report func(int, []metric) error) error {
	l, err := helloLife(ctx, site)
	if err != nil {
		return err
	}
	return growCrowd(ctx, site, l, xs, report, func(p *process) (metric, error) {
		q := history.Query{Statuses: []history.RuntimeStatus{history.Completed}}
		took, err := timed(site.size.latencies, func(int) error {
			_, err := p.engine.List(ctx, hub.ListRequest{Query: q}, hub.StatusOptions{})
			return err
		})
		return metric{"page_of_100_p50", quantile(took, 0.5), "ms"}, err
	})
}

// growIdle measures hello among x instances that wait for an event, none of them
// in memory, and how long it takes to wake one, from the event until it is seen
// to have completed.
func growIdle(ctx context.Context, site site, xs []int, report func(int, []metric) error) error {
	l, err := waitingLife(ctx, site)
	if err != nil {
		return err
	}
	return growCrowd(ctx, site, l, xs, report, func(p *process) (metric, error) {
		q := history.Query{Statuses: []history.RuntimeStatus{history.Running}, Limit: site.size.latencies}
		page, err := p.engine.List(ctx, hub.ListRequest{Query: q}, hub.StatusOptions{})
		if err != nil {
			return metric{}, err
		}
		took, err := timed(len(page.Items), func(i int) error {
			id := page.Items[i].ID
			return errors.Join(p.Raise(ctx, id, "Go", i), p.completed(ctx, id))
		})
		return metric{"wake_p50", quantile(took, 0.5), "ms"}, err
	})
}

// growCrowd fills one store more and more with instances that lived l, and
// reports what hello and more is like once x are there.
func growCrowd(ctx context.Context, site site, l life, xs []int, report func(int, []metric) error, more func(p *process) (metric, error)) error {
	_, err := withFolder(site, func(f *folder) ([]metric, error) {
		stored := 0
		for _, x := range xs {
			if _, err := f.fill(ctx, l, x-stored); err != nil {
				return nil, err
			}
			stored = x
			metrics, err := f.restarted(ctx, site.size, more)
			if err == nil {
				err = report(x, metrics)
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// timed calls do for 0 to n-1, one at a time, and returns how long each call
// took, in milliseconds.
func timed(n int, do func(i int) error) ([]float64, error) {
	took := make([]float64, n)
	for i := range took {
		began := time.Now()
		if err := do(i); err != nil {
			return nil, err
		}
		took[i] = milliseconds(time.Since(began))
	}
	return took, nil
}
