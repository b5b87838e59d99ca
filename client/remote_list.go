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

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// filter writes q as parameters.
func filter(q *history.Query) url.Values {
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
func onlyOurs(q *history.Query) bool {
	return q.CompletedFrom != nil || q.CompletedTo != nil || q.Name != "" || q.Parent != "" || len(q.Tags) > 0
}

// errParent: hosts of older builds, which do not mark their answers, list all
// instances for those of one parent.
var errParent = fmt.Errorf("%w: the host does not know children", ErrUnsupported)

// sharp keeps an upper bound in whole seconds from standing for all of its last
// second, as it does over HTTP. Stored times are coarser than a nanosecond, so
// it stays the same bound.
func sharp(at *time.Time) *time.Time {
	if at == nil || at.Nanosecond() != 0 {
		return at
	}
	return new(at.Add(1))
}

// mostItems is more than any host has on a page; [remote.List] refuses an
// endless one.
const mostItems = 100_000

func (r *remote) List(ctx context.Context, q hub.ListRequest, o hub.StatusOptions) (hub.StatusPage, error) {
	query := filter(&q.Query)
	query.Set("showDetails", "true")
	if !o.Input {
		query.Set("showInput", "false")
	}
	if !o.Output {
		query.Set("showOutput", "false")
	}
	if q.Limit > 0 {
		query.Set("top", strconv.Itoa(q.Limit))
	}
	if onlyOurs(&q.Query) {
		if err := r.needOurs(ctx); err != nil {
			return hub.StatusPage{}, err
		}
	}
	items := []hub.Status{}
	c := call{method: http.MethodGet, path: []string{"instances"}, query: query, token: q.Token, ok: done, large: true,
		item: func(d *json.Decoder) error {
			var w wire.Status
			if err := d.Decode(&w); err != nil {
				return err
			}
			if len(items) == mostItems {
				return fmt.Errorf("it has more than %d instances", mostItems)
			}
			st := w.Status
			omit(&st, o) // other makes send it all the same
			items = append(items, st)
			return nil
		}}
	a, err := r.do(ctx, c)
	switch {
	case err != nil:
		return hub.StatusPage{}, err
	case q.Parent != "" && !a.ours():
		return hub.StatusPage{}, errParent
	}
	if _, tokened := a.header[http.CanonicalHeaderKey(wire.TokenHeader)]; !tokened { // it is always there
		return hub.StatusPage{}, r.strange(a, nil)
	}
	return hub.StatusPage{Items: items, Token: a.header.Get(wire.TokenHeader)}, nil
}

// wireCounts is the answer to counts.
type wireCounts struct {
	RuntimeStatus history.Counts `json:"runtimeStatus"`
}

func (w *wireCounts) formed() bool { return w.RuntimeStatus != nil }

func (r *remote) Count(ctx context.Context, q history.Query) (history.Counts, error) {
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

// MergedHistory works with every host that keeps the contract.
func (r *remote) MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (hub.Status, []hub.MergedEvent, error) {
	var w wire.Status
	err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, query: url.Values{
		"showDetails": {"true"}, "showHistory": {"true"},
		"showInput": {strconv.FormatBool(inputs)}, "showHistoryOutput": {strconv.FormatBool(outputs)},
	}, ok: known, large: true}, &w, w.Formed)
	return w.Status, w.Events, err
}
