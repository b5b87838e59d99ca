package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// filter writes q as parameters.
func filter(q *engine.Query) url.Values {
	values := url.Values{}
	for name, at := range map[string]*time.Time{
		"createdTimeFrom": q.CreatedFrom, "createdTimeTo": sharp(q.CreatedTo),
		"completedTimeFrom": q.CompletedFrom, "completedTimeTo": sharp(q.CompletedTo),
	} {
		if at != nil {
			values.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if len(q.Statuses) > 0 {
		names := make([]string, len(q.Statuses))
		for i, s := range q.Statuses {
			names[i] = s.String()
		}
		values.Set("runtimeStatus", strings.Join(names, ","))
	}
	if q.IDPrefix != "" {
		values.Set("instanceIdPrefix", q.IDPrefix)
	}
	if q.Name != "" {
		values.Set("name", q.Name)
	}
	if q.Parent != "" {
		values.Set("parentInstanceId", string(q.Parent))
	}
	for name, value := range q.Tags {
		values.Set("tag."+name, value)
	}
	return values
}

// onlyOurs reports whether q has conditions that hosts of other makes ignore.
func onlyOurs(q *engine.Query) bool {
	return q.CompletedFrom != nil || q.CompletedTo != nil || q.Name != "" || q.Parent != "" || len(q.Tags) > 0
}

// errParent: hosts of older builds, which do not mark their answers, list all instances
// for those of one parent.
var errParent = fmt.Errorf("%w: the host does not know children", ErrUnsupported)

// sharp keeps an upper bound in whole seconds from standing for all of its last
// second, as it does over HTTP. Stored times are coarser than a nanosecond, so it
// stays the same bound.
func sharp(at *time.Time) *time.Time {
	if at == nil || at.Nanosecond() != 0 {
		return at
	}
	return new(at.Add(1))
}

// List is [remote.page] for tokens of our hosts.
func (r *remote) List(ctx context.Context, q engine.Query, o engine.StatusOptions) (engine.StatusPage, error) {
	items, token, err := r.page(ctx, q, engine.ContinuationToken(q.Before), GetOptions{OmitInput: !o.Payloads, OmitOutput: !o.Payloads})
	if err != nil {
		return engine.StatusPage{}, err
	}
	next, err := engine.ParseContinuationToken(token)
	return engine.StatusPage{Items: items, Next: next}, err
}

// mostItems is more than any host has on a page; [remote.page] refuses an endless one.
const mostItems = 100_000

func (r *remote) page(ctx context.Context, q engine.Query, token string, o GetOptions) ([]engine.Status, string, error) {
	query := filter(&q)
	query.Set("showDetails", "true")
	if o.OmitInput {
		query.Set("showInput", "false")
	}
	if o.OmitOutput {
		query.Set("showOutput", "false")
	}
	if q.Limit > 0 {
		query.Set("top", strconv.Itoa(q.Limit))
	}
	if onlyOurs(&q) {
		if err := r.needOurs(ctx); err != nil {
			return nil, "", err
		}
	}
	items := []engine.Status{}
	c := call{method: http.MethodGet, path: []string{"instances"}, query: query, token: token, ok: done, large: true,
		item: func(d *json.Decoder) error {
			var w wireStatus
			if err := d.Decode(&w); err != nil {
				return err
			}
			if len(items) == mostItems {
				return fmt.Errorf("it has more than %d instances", mostItems)
			}
			st := w.status()
			o.omit(&st) // other makes send it all the same
			items = append(items, st)
			return nil
		}}
	a, err := r.do(ctx, c)
	switch {
	case err != nil:
		return nil, "", err
	case q.Parent != "" && !a.ours():
		return nil, "", errParent
	}
	if _, tokened := a.header[http.CanonicalHeaderKey(tokenHeader)]; !tokened { // it is always there
		return nil, "", r.strange(a, nil)
	}
	return items, a.header.Get(tokenHeader), nil
}

// wireCounts is the answer to counts.
type wireCounts struct {
	RuntimeStatus engine.Counts `json:"runtimeStatus"`
}

func (w *wireCounts) formed() bool { return w.RuntimeStatus != nil }

func (r *remote) Count(ctx context.Context, q engine.Query) (engine.Counts, error) {
	var counted wireCounts
	err := r.ask(ctx, call{method: http.MethodGet, path: []string{"counts"}, query: filter(&q), ok: done, silence: slow}, &counted, counted.formed)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: the host does not count instances", ErrUnsupported)
	}
	if err == nil && q.Parent != "" && !r.ours.Load() {
		err = errParent
	}
	return counted.RuntimeStatus, err
}

// merged works with every host that keeps the contract.
func (r *remote) merged(ctx context.Context, id history.InstanceID, inputs, outputs bool) (engine.Status, []Event, error) {
	var w wireStatus
	err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, query: url.Values{
		"showDetails": {"true"}, "showHistory": {"true"},
		"showInput": {strconv.FormatBool(inputs)}, "showHistoryOutput": {strconv.FormatBool(outputs)},
	}, ok: known, large: true}, &w, w.formed)
	if err != nil {
		return engine.Status{}, nil, err
	}
	events := make([]Event, len(w.HistoryEvents))
	for i := range w.HistoryEvents {
		events[i] = w.HistoryEvents[i].event()
	}
	return w.status(), events, nil
}
