package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file tells what a hub will do by itself once its app runs: an operator
// who restores a backup wants to know before.

// Unfinished is what a hub does by itself as soon as an app runs it.
type Unfinished struct {
	Counts     history.Counts // instances, by status
	Activities map[string]int // calls without a result, by function: they run, again if they had run
	Overdue    int            // timers that are due
}

// FindUnfinished reads what the hub in store, which nobody runs, has left to do
// at the time now.
func FindUnfinished(ctx context.Context, store store.Store, now time.Time) (Unfinished, error) {
	u := Unfinished{Activities: make(map[string]int)}
	var err error
	if u.Counts, err = store.CountInstances(ctx, history.Query{}); err != nil {
		return u, fmt.Errorf("count instances: %w", err)
	}
	for p := range store.Partitions() {
		for ref, err := range store.Working(ctx, p) {
			if err != nil {
				return u, fmt.Errorf("read work of partition %d: %w", p, err)
			}
			if err := u.addActivities(ctx, store, ref); err != nil {
				return u, err
			}
		}
		if err := u.addOverdue(ctx, store, p, now); err != nil {
			return u, fmt.Errorf("read timers of partition %d: %w", p, err)
		}
	}
	return u, nil
}

// addActivities counts the calls of an instance that have no result.
func (u *Unfinished) addActivities(ctx context.Context, store store.Store, ref store.Ref) error {
	var state history.State
	for turn, err := range readRecords(ctx, store, ref.Number) {
		if err != nil {
			return fmt.Errorf("instance %s: %w", ref.ID, err)
		}
		state.Apply(&turn)
	}
	if state.Completed != nil {
		return nil
	}
	for _, ev := range state.Open {
		if ev.Kind == history.TaskScheduled {
			u.Activities[ev.Name]++
		}
	}
	return nil
}

// overduePage is how many timers are read at a time.
const overduePage = 4096

// addOverdue counts the timers of a partition that are due, a page at a time.
func (u *Unfinished) addOverdue(ctx context.Context, kept store.Store, partition int, now time.Time) error {
	var last store.Timer
	for {
		page, err := kept.Timers(ctx, partition, last, now, overduePage)
		if err != nil {
			return err
		}
		u.Overdue += len(page)
		if len(page) < overduePage {
			return nil
		}
		last = page[len(page)-1]
	}
}
