package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// PurgeOptions are what a purge by id can say.
type PurgeOptions struct {
	Force     bool // a live instance too: it ends at once
	Recursive bool // with its children and theirs; a live one prevents all of it unless forced
	MustExist bool // a missing instance is ErrNotFound
}

// PurgeResult tells what a purge removed, or would remove. When it is not
// Complete, calling again goes on.
type PurgeResult = hub.PurgeResult

// Purge removes an instance: status, history and payloads. A missing instance
// is none removed.
//
// Errors: [ErrInvalidState] when it, or a child with Recursive, has not ended
// and Force is not set, [ErrNotFound] with MustExist.
func (c *Client) Purge(ctx context.Context, id InstanceID, o PurgeOptions) (PurgeResult, error) {
	result, err := c.hub.Purge(ctx, id, hub.PurgeRequest{Force: o.Force, Recursive: o.Recursive})
	switch {
	case errors.Is(err, ErrNotFound) && !o.MustExist:
		return PurgeResult{Complete: true}, nil
	case err == nil && result.Deleted == 0 && o.MustExist:
		err = ErrNotFound
	}
	return result, c.fail(ctx, "purge", id, err)
}

// PurgeMany purges several instances. Those that [Client.Purge] refuses with
// [ErrInvalidState] are left and counted as skipped; any other error ends it,
// and the result tells what has been removed.
func (c *Client) PurgeMany(ctx context.Context, ids []InstanceID, o PurgeOptions) (PurgeResult, error) {
	var sum PurgeResult
	var mu sync.Mutex // guards sum
	err := forEach(ctx, ids, func(ctx context.Context, id InstanceID) error {
		result, err := c.Purge(ctx, id, o)
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(err, ErrInvalidState) {
			sum.Skipped++
			return nil
		}
		sum.Deleted += result.Deleted
		sum.Events += result.Events
		sum.Skipped += result.Skipped
		return err
	})
	sum.Complete = err == nil && sum.Skipped == 0
	return sum, err
}

// PurgeFilter says which ended instances to purge; all that is given must hold.
// A condition that is nil is not given. One that is given and empty is a
// mistake: a variable that was never set must not stand for all instances. The
// zero time is a time, long ago. new(value) makes a condition of a value.
type PurgeFilter struct {
	CreatedFrom     *time.Time        // inclusive
	CreatedTo       *time.Time        // inclusive
	CompletedBefore *time.Time        // exclusive
	Statuses        []RuntimeStatus   // nil: all of ended instances; those of live ones are left aside
	IDPrefix        *string           // letter case counts
	Name            *string           // of the orchestrator, in any letter case
	Tags            map[string]string // all of them with these values, none of which is empty

	// All purges every instance that has ended. It must be said when there is
	// no condition, and cannot be said with one.
	All bool

	Limit  int  // stop after so many; 0: no limit
	DryRun bool // only count
	// Progress, if any, is called now and then with what has been purged so
	// far.
	Progress func(PurgeResult)
}

// PurgeBy removes the ended instances that f asks for, never a live one. With
// an error it returns what it had removed until then.
//
// Errors: [ErrInvalidArgument] when f has no condition and does not say All,
// when a condition is empty, and when only statuses of live instances are
// given, [ErrUnsupported] when a remote host would not heed all of f.
func (c *Client) PurgeBy(ctx context.Context, f PurgeFilter) (PurgeResult, error) {
	asked, err := f.request()
	if err != nil {
		return PurgeResult{}, c.fail(ctx, "purge", "", err)
	}
	result, err := c.hub.PurgeBy(ctx, asked)
	return result, c.fail(ctx, "purge", "", err)
}

func (f *PurgeFilter) request() (hub.PurgeFilter, error) {
	if f.Limit < 0 {
		return hub.PurgeFilter{}, fmt.Errorf("%w: limit %d", ErrInvalidArgument, f.Limit)
	}
	if err := f.check(); err != nil {
		return hub.PurgeFilter{}, err
	}
	statuses, err := terminal(f.Statuses)
	if err != nil {
		return hub.PurgeFilter{}, err
	}
	q := history.Query{CreatedFrom: f.CreatedFrom, CreatedTo: f.CreatedTo, Statuses: statuses, Tags: f.Tags}
	if f.IDPrefix != nil {
		q.IDPrefix = *f.IDPrefix
	}
	if f.Name != nil {
		q.Name = *f.Name
	}
	if f.CompletedBefore != nil {
		q.CompletedTo = new(f.CompletedBefore.Add(-1)) // the engine's bound is inclusive
	}
	return hub.PurgeFilter{Query: q, Max: f.Limit, DryRun: f.DryRun, Progress: f.Progress}, nil
}

// check refuses conditions that are given and empty, and a filter that does not
// say what it is about.
func (f *PurgeFilter) check() error {
	given := f.CreatedFrom != nil || f.CreatedTo != nil || f.CompletedBefore != nil ||
		f.Statuses != nil || f.IDPrefix != nil || f.Name != nil || f.Tags != nil
	empty := func(field string) error {
		return fmt.Errorf("%w: %s of the purge filter is given and empty; leave it nil for no such condition", ErrInvalidArgument, field)
	}
	switch {
	case f.Statuses != nil && len(f.Statuses) == 0:
		return empty("Statuses")
	case f.IDPrefix != nil && *f.IDPrefix == "":
		return empty("IDPrefix")
	case f.Name != nil && *f.Name == "":
		return empty("Name")
	case f.Tags != nil && len(f.Tags) == 0:
		return empty("Tags")
	case f.All && given:
		return fmt.Errorf("%w: the purge filter says All and has a condition", ErrInvalidArgument)
	case !f.All && !given:
		return fmt.Errorf("%w: the purge filter has no condition; say All to purge every instance that has ended", ErrInvalidArgument)
	}
	for name, value := range f.Tags {
		if name == "" || value == "" {
			return empty(fmt.Sprintf("tag %q", name))
		}
	}
	return nil
}

// DeleteHubOptions are what DeleteHub can say.
type DeleteHubOptions struct {
	Force bool // also when a worker serves the hub
}

// DeleteHub removes the task hub with all of its instances. There is no way
// back.
//
// Errors: [ErrInvalidState] when a worker serves it and Force is not set,
// [ErrHubNotFound], [ErrUnsupported]; [ErrUnauthenticated] from a remote host
// unless it is on this machine and the command line's key is used.
func (c *Client) DeleteHub(ctx context.Context, o DeleteHubOptions) error {
	err := ErrUnsupported
	if deleter, ok := c.hub.(hub.Deleter); ok {
		err = deleter.DeleteHub(ctx, o.Force)
	}
	return c.fail(ctx, "delete the task hub", "", err)
}
