package embedded

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// What a page may cost besides the rows that it shows. More is left to the next
// page, which keeps each at a few milliseconds.
const (
	pageBudget = 6_000
	pageIDs    = 2_000 // ids of a prefix that are sorted by number
)

// ListInstances implements [store.Reader]. Creation times are compared to the
// microsecond, as numbers hold them. Statuses, name, tags, labels, creation
// times and a prefix that few ids have are looked up in indexes; other filters
// look at rows.
func (h *Hub) ListInstances(ctx context.Context, q history.Query) (store.Page, error) {
	if err := h.begin(ctx); err != nil {
		return store.Page{}, err
	}
	defer h.db.leave()
	page, err := h.listInstances(ctx, q)
	if err != nil {
		return store.Page{}, fmt.Errorf("list instances: %w", err)
	}
	return page, nil
}

func (h *Hub) listInstances(ctx context.Context, q history.Query) (page store.Page, err error) {
	s, ok, err := h.newSearch(ctx, q, plan{ids: pageIDs, budget: pageBudget})
	if err != nil || !ok {
		return page, err
	}
	defer s.close()
	limit, bytes := cmp.Or(q.Limit, 100), 0
	var last history.Number
	for {
		number, ok, stopped, err := s.next(ctx)
		if err != nil {
			return page, err
		}
		if !ok {
			if stopped {
				page.Next = s.before
			}
			break
		}
		row, bad, err := s.row(number)
		switch {
		case err != nil:
			return page, err
		case bad == nil && !q.Matches(&row), bad != nil && bad.ID != "" && !strings.HasPrefix(string(bad.ID), q.IDPrefix):
			continue
		case len(page.Rows)+len(page.Unreadable) == limit, bytes >= history.PageBytes:
			page.Next = last
			return page, nil
		case bad != nil:
			page.Unreadable = append(page.Unreadable, *bad)
		default:
			page.Rows = append(page.Rows, row)
			bytes += history.RowBytes(&row)
		}
		last = number
		s.spent -= stepCost + seekCost
	}
	if page.Next != 0 && len(page.Rows)+len(page.Unreadable) == limit {
		page.Next = last
	}
	return page, nil
}

// CountInstances implements [store.Reader]. Only completion times, parents and
// the ids of entities need rows.
func (h *Hub) CountInstances(ctx context.Context, q history.Query) (history.Counts, error) {
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	defer h.db.leave()
	q.Before = 0
	count := h.countMatching
	if onlyStatuses(&q) {
		count = h.countKept
	}
	counts, err := count(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("count instances: %w", err)
	}
	return counts, nil
}

// onlyStatuses reports whether q filters by nothing but status.
func onlyStatuses(q *history.Query) bool {
	return q.CreatedFrom == nil && q.CreatedTo == nil && q.CompletedFrom == nil && q.CompletedTo == nil &&
		q.IDPrefix == "" && q.Name == "" && len(q.Tags) == 0 && len(q.Labels) == 0 && q.Parent == ""
}

// countMatching counts one by one.
func (h *Hub) countMatching(ctx context.Context, q history.Query) (history.Counts, error) {
	counts := history.Counts{}
	s, ok, err := h.newSearch(ctx, q, plan{ids: math.MaxInt, statuses: true})
	if err != nil || !ok {
		return counts, err
	}
	defer s.close()
	decided := s.decided()
	for {
		number, ok, _, err := s.next(ctx)
		if err != nil || !ok {
			return counts, err
		}
		if decided {
			counts[s.statuses.status(number)]++
			continue
		}
		row, bad, err := s.row(number)
		switch {
		case err != nil:
			return nil, err
		case bad != nil:
			counts[history.Unknown]++
		case q.Matches(&row):
			counts[row.Status]++
		}
	}
}

// countKept reads the counts that are kept.
func (h *Hub) countKept(_ context.Context, q history.Query) (history.Counts, error) {
	var kept *counts
	err := h.view.read(func(r pebble.Reader) (err error) {
		kept, err = h.readCounts(r)
		return err
	})
	if err := cmp.Or(h.err(), err); err != nil { // what was read may lack what was deleted
		return nil, err
	}
	counts := kept.byStatus()
	for status := range counts {
		if len(q.Statuses) > 0 && !slices.Contains(q.Statuses, status) {
			delete(counts, status)
		}
	}
	return counts, nil
}
