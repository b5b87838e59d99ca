package httpapi

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// Lengths of a page.
const (
	defaultTop = 100
	maxTop     = 1000
)

// fillTime is how long a list looks for more once the hub has returned a page
// that is not full: many callers read only the first one
// (docs/contracts/http-api.md 12).
const fillTime = time.Second

// list is docs/contracts/http-api.md 5.4. Ours besides: the filters name,
// tag.NAME, parentInstanceId and completedTimeFrom and -To, and showOutput and
// showDetails.
func list(r *request) (response, error) {
	q, err := r.query.filter()
	if err != nil {
		return response{}, err
	}
	v, err := r.view()
	if err != nil {
		return response{}, err
	}
	ask := hub.ListRequest{Query: q, Token: r.Header.Get(wire.TokenHeader)}
	var items []hub.Status
	if err := r.read(r.handler.Gate.lists, func() (err error) {
		items, err = r.fill(&ask, parts(v))
		return err
	}); err != nil {
		return response{}, err
	}
	return response{code: http.StatusOK, next: &ask.Token, parts: array(statusBodies(items, v)), held: bytesOf(items)}, nil
}

// fill collects the instances of one page, and leaves in ask where the next one
// begins.
func (r *request) fill(ask *hub.ListRequest, o hub.StatusOptions) (items []hub.Status, err error) {
	left := r.query.top()
	for until := time.Now().Add(fillTime); ; {
		ask.Limit = left
		page, err := r.hub.List(r.Context(), *ask, o)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		ask.Token, left = page.Token, left-len(page.Items)
		if page.Token == "" || left <= 0 || !time.Now().Before(until) || bytesOf(items) >= history.PageBytes {
			return items, nil
		}
	}
}

// bytesOf is how much of [history.PageBytes] the items take.
func bytesOf(items []hub.Status) (bytes int) {
	for i := range items {
		bytes += items[i].Bytes()
	}
	return bytes
}

// statusBodies makes the bodies of a page, each when it is asked for.
func statusBodies(items []hub.Status, v wire.View) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range items {
			body := wire.WriteStatus(&items[i], v).JSON()
			items[i] = hub.Status{} // its payloads are in body, which is the last to hold them
			if !yield(body) {
				return
			}
		}
	}
}

// count answers how many instances match. It is ours.
func count(r *request) (response, error) {
	q, err := r.query.filter()
	if err != nil {
		return response{}, err
	}
	var counts history.Counts
	if err := r.read(r.handler.Gate.lists, func() (err error) {
		counts, err = r.hub.Count(r.Context(), q)
		return err
	}); err != nil {
		return response{}, err
	}
	var byStatus, o wire.Object
	for _, status := range history.Statuses() {
		byStatus.Raw(status.String(), strconv.AppendInt(nil, counts[status], 10))
	}
	o.Raw("total", strconv.AppendInt(nil, counts.Total(), 10)).Raw("runtimeStatus", byStatus.JSON())
	return response{code: http.StatusOK, body: o.JSON()}, nil
}

// purge is docs/contracts/http-api.md 5.11. Ours besides: force and recursive;
// the answer to the latter has all the numbers, as it has with showDetails.
func purge(r *request) (response, error) {
	ask := hub.PurgeRequest{Force: r.query.flag("force", false), Recursive: r.query.flag("recursive", false)}
	done, err := r.hub.Purge(r.Context(), r.id(), ask)
	switch {
	case err != nil:
		return response{}, err
	case done.Deleted == 0 && !strings.HasPrefix(string(r.id()), "@"): // entities come and go
		return response{}, fmt.Errorf("%w: %q", hub.ErrNotFound, r.id())
	case ask.Recursive || r.query.flag("showDetails", false):
		return jsonResponse(done)
	}
	body := (&wire.Object{}).Raw("instancesDeleted", strconv.AppendInt(nil, int64(done.Deleted), 10)).JSON()
	return response{code: http.StatusOK, body: body}, nil
}

// purgeMany is docs/contracts/http-api.md 5.12. Ours besides: every filter of
// lists, completedBefore, limit, timeBudget and dryRun.
func purgeMany(r *request) (response, error) {
	f, err := r.query.purgeFilter()
	if err != nil {
		return response{}, err
	}
	done := hub.PurgeResult{Complete: true}
	if len(f.Statuses) == 0 || slices.ContainsFunc(f.Statuses, history.RuntimeStatus.Terminal) {
		done, err = r.hub.PurgeBy(r.Context(), f) // for which nothing but live ones is an error
	}
	switch {
	case err != nil:
		return response{}, err
	case done.Deleted == 0 && done.Complete && !f.DryRun:
		return response{code: http.StatusNotFound}, nil
	}
	return jsonResponse(done)
}

func (q query) purgeFilter() (hub.PurgeFilter, error) {
	filter, err := q.filter()
	f := hub.PurgeFilter{Query: filter, DryRun: q.flag("dryRun", false)}
	if before, ok := q.instant("completedBefore"); ok {
		before = history.Truncate(before.Add(-1)) // the last instant that a history can hold
		if f.CompletedTo == nil || before.Before(*f.CompletedTo) {
			f.CompletedTo = &before
		}
	}
	f.Max, _ = strconv.Atoi(strings.TrimSpace(q.last("limit")))
	if budget, ok := q.seconds("timeBudget"); ok {
		f.Until = time.Now().Add(budget)
	}
	return f, err
}

// filter reads [filterParams] and [parentParams]. Times that cannot be read are
// left out, an unknown status is an error (docs/contracts/http-api.md 5.4).
func (q query) filter() (history.Query, error) {
	out := history.Query{
		IDPrefix: q.last("instanceIdPrefix"), Name: q.last("name"), Tags: q.tags, Parent: history.InstanceID(q.last("parentInstanceId")),
	}
	out.CreatedFrom, out.CreatedTo = q.from("createdTimeFrom"), q.to("createdTimeTo")
	out.CompletedFrom, out.CompletedTo = q.from("completedTimeFrom"), q.to("completedTimeTo")
	for _, text := range q.params[strings.ToLower("runtimeStatus")] {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			status, err := history.ParseStatus(word)
			if err != nil {
				return out, invalid("runtimeStatus: %v", err)
			}
			out.Statuses = append(out.Statuses, status)
		}
	}
	return out, nil
}

// from reads a lower bound; nil for one that is not given or cannot be read.
func (q query) from(name string) *time.Time {
	at, ok := q.instant(name)
	if !ok {
		return nil
	}
	return &at
}

// to reads an upper bound. Callers know times in whole seconds, cut off: such a
// bound includes what happened in the rest of it.
func (q query) to(name string) *time.Time {
	at := q.from(name)
	if at != nil && at.Nanosecond() == 0 {
		return new(history.Truncate(at.Add(time.Second - 1)))
	}
	return at
}

// top reads the length of a page.
func (q query) top() int {
	n, err := strconv.Atoi(strings.TrimSpace(q.last("top")))
	if err != nil || n <= 0 {
		return defaultTop
	}
	return min(n, maxTop)
}
