package main

import (
	"context"
	"time"

	"github.com/perdure/perdure/client"
)

// runEvents measures how long it takes to wake many instances by an event each,
// from the first raise until all have completed.
func runEvents(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		ids := make([]client.InstanceID, site.size.events)
		err := each(callers, len(ids), func(i int) (err error) {
			ids[i], err = p.Start(ctx, "AwaitGo", nil, client.StartOptions{})
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := p.begun(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := each(callers, len(ids), func(i int) error { return p.Raise(ctx, ids[i], "Go", i) }); err != nil {
			return nil, err
		}
		err = each(callers, len(ids), func(i int) error { return p.completed(ctx, ids[i]) })
		return []metric{{"duration", time.Since(began).Seconds(), "s"}}, err
	})
}
