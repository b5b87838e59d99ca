package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// StatusOptions say what is read of a status. The zero value shows everything
// but the history.
type StatusOptions struct {
	OmitInput     bool // the history's inputs too
	OmitOutput    bool
	History       bool // fill Status.History, merged: see HistoryOptions
	HistoryOutput bool // with results; failures are always told
}

// Status returns what is durably known of an instance, or [ErrNotFound].
func (c *Client) Status(ctx context.Context, id InstanceID, o StatusOptions) (*Status, error) {
	st, events, err := c.read(ctx, id, o)
	if err != nil {
		return nil, c.fail(ctx, "status", id, err)
	}
	out := newStatus(st, o)
	out.History = events
	return out, nil
}

func (c *Client) read(ctx context.Context, id InstanceID, o StatusOptions) (hub.Status, []Event, error) {
	if o.History {
		st, merged, err := c.hub.MergedHistory(ctx, id, !o.OmitInput, o.HistoryOutput)
		return st, eventsOf(merged), err
	}
	st, err := c.hub.Status(ctx, id, o.parts())
	return st, nil, err
}

func (o StatusOptions) parts() hub.StatusOptions {
	return hub.StatusOptions{Input: !o.OmitInput, Output: !o.OmitOutput}
}

// Statuses returns the status of those of the ids that have an instance. It
// holds what it returns: where payloads are large, ask for some ids at a time,
// or leave them out. It reads 16 at once, but no more than fit into 4 MiB if
// they are like those before.
func (c *Client) Statuses(ctx context.Context, ids []InstanceID, o StatusOptions) (map[InstanceID]*Status, error) {
	found := make(map[InstanceID]*Status, len(ids))
	var mu sync.Mutex // guards found and bytes
	for n := 1; len(ids) > 0; {
		some, bytes := ids[:min(n, len(ids))], 0
		ids = ids[len(some):]
		err := forEach(ctx, some, func(ctx context.Context, id InstanceID) error {
			st, err := c.Status(ctx, id, o)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				found[id], bytes = st, bytes+st.bytes()
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		n = min(2*n, atOnce)
		if bytes > 0 { // those to come may be as large
			n = max(1, min(n, len(some)*history.PageBytes/bytes))
		}
	}
	return found, nil
}

// atOnce is how many requests about single ids are under way at a time.
const atOnce = 16

// forEach calls f for each id, some at a time. The first error ends it, and the
// calls that are under way.
func forEach(ctx context.Context, ids []InstanceID, f func(context.Context, InstanceID) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	free := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, id := range ids {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-free }()
			if err := f(ctx, id); err != nil {
				cancel(err) // the first one counts
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// Query says which instances a list holds; all that is given must hold, zero
// fields do not filter. Times are pointers since the zero time is a time too,
// long ago: new(at) makes one. Entities are left out unless IDPrefix asks for
// them.
type Query struct {
	CreatedFrom   *time.Time // inclusive, as the others; nil: no bound
	CreatedTo     *time.Time
	CompletedFrom *time.Time // leaves out what has not ended
	CompletedTo   *time.Time // leaves out what has not ended
	Statuses      []RuntimeStatus
	IDPrefix      string            // letter case counts
	Name          string            // of the orchestrator, in any letter case
	Tags          map[string]string // all of them with these values
	// Parent leaves out all but the children of this instance: those that it
	// called, in whatever execution, ended ones too. When there is no such
	// instance any more they are those that are left of it, and of others that
	// had the id.
	Parent InstanceID

	PageSize   int    // at most so many a page; 0: 100
	Token      string // of the page before; empty: the first page
	OmitInput  bool
	OmitOutput bool
}

func (q *Query) filter() history.Query {
	return history.Query{
		CreatedFrom: q.CreatedFrom, CreatedTo: q.CreatedTo, CompletedFrom: q.CompletedFrom, CompletedTo: q.CompletedTo,
		Statuses: q.Statuses, IDPrefix: q.IDPrefix, Name: q.Name, Tags: q.Tags,
		Parent: q.Parent, Limit: q.PageSize,
	}
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	Token string // of the next page; empty: this is the last one
}

// List returns a page of instances, newest first. A page may be shorter than
// asked for, even empty, while others follow. Instances that start while a
// caller goes from page to page are on none of the later ones.
//
// Errors: [ErrInvalidArgument].
func (c *Client) List(ctx context.Context, q Query) (Page[*Status], error) {
	o := StatusOptions{OmitInput: q.OmitInput, OmitOutput: q.OmitOutput}
	list, err := c.page(ctx, q, o)
	if err != nil {
		return Page[*Status]{}, c.fail(ctx, "list", "", err)
	}
	page := Page[*Status]{Items: make([]*Status, len(list.Items)), Token: list.Token}
	for i := range list.Items {
		page.Items[i] = newStatus(list.Items[i], o)
	}
	return page, nil
}

func (c *Client) page(ctx context.Context, q Query, o StatusOptions) (hub.StatusPage, error) {
	if q.PageSize < 0 {
		return hub.StatusPage{}, fmt.Errorf("%w: page size %d", ErrInvalidArgument, q.PageSize)
	}
	return c.hub.List(ctx, hub.ListRequest{Query: q.filter(), Token: q.Token}, o.parts())
}

// All yields every instance that q asks for, newest first, from q.Token on. It
// holds one page at a time. An error ends it.
func (c *Client) All(ctx context.Context, q Query) iter.Seq2[*Status, error] {
	return func(yield func(*Status, error) bool) {
		for {
			page, err := c.List(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, st := range page.Items {
				if !yield(st, nil) {
					return
				}
			}
			if page.Token == "" {
				return
			}
			q.Token = page.Token
		}
	}
}

// Counts says how many instances there are in each status.
type Counts = history.Counts

// Count counts the instances that q asks for, whatever its page.
func (c *Client) Count(ctx context.Context, q Query) (Counts, error) {
	counts, err := c.hub.Count(ctx, q.filter())
	if err != nil {
		return nil, c.fail(ctx, "count", "", err)
	}
	return counts, nil
}

// IDQuery says which ended instances a list of ids holds.
type IDQuery struct {
	CompletedFrom *time.Time      // inclusive; nil: no bound
	CompletedTo   *time.Time      // inclusive; nil: no bound
	Statuses      []RuntimeStatus // none: all of ended ones

	PageSize int    // 0: 100
	Token    string // of the page before; empty: the first page
}

// ListIDs returns a page of ids of ended instances, in the order of
// [Client.List].
//
// Errors: [ErrInvalidArgument], also when only statuses of live instances are
// asked for.
func (c *Client) ListIDs(ctx context.Context, q IDQuery) (Page[InstanceID], error) {
	statuses, err := terminal(q.Statuses)
	if err != nil {
		return Page[InstanceID]{}, c.fail(ctx, "list ids", "", err)
	}
	list, err := c.page(ctx, Query{
		CompletedFrom: q.CompletedFrom, CompletedTo: q.CompletedTo, Statuses: statuses, PageSize: q.PageSize, Token: q.Token,
	}, StatusOptions{OmitInput: true, OmitOutput: true})
	if err != nil {
		return Page[InstanceID]{}, c.fail(ctx, "list ids", "", err)
	}
	page := Page[InstanceID]{Items: make([]InstanceID, len(list.Items)), Token: list.Token}
	for i := range list.Items {
		page.Items[i] = list.Items[i].ID
	}
	return page, nil
}

// terminal leaves the statuses of live instances aside; all of ended ones when
// none are given.
func terminal(statuses []RuntimeStatus) ([]RuntimeStatus, error) {
	if len(statuses) == 0 {
		statuses = history.Statuses()
	}
	ended := slices.DeleteFunc(slices.Clone(statuses), func(s RuntimeStatus) bool { return !s.Terminal() })
	if len(ended) == 0 {
		return nil, fmt.Errorf("%w: %v are statuses of instances that have not ended", ErrInvalidArgument, statuses)
	}
	return ended, nil
}
