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

func (r *remote) Rewind(ctx context.Context, id history.InstanceID, q hub.RewindRequest) error {
	if q.All {
		if err := r.needOurs(ctx); err != nil {
			return err
		}
	}
	return r.command(ctx, id, "rewind", rewindQuery(q))
}

func rewindQuery(q hub.RewindRequest) url.Values {
	query := because(q.Reason)
	if q.All {
		query.Set("all", "true")
	}
	return query
}

// PlanRewind asks first whether the host plans: one that does not would rewind.
func (r *remote) PlanRewind(ctx context.Context, id history.InstanceID, q hub.RewindRequest) (hub.RewindPlan, error) {
	if err := r.needOurs(ctx); err != nil {
		return hub.RewindPlan{}, err
	}
	query := rewindQuery(q)
	query.Set("dryRun", "true")
	var plan hub.RewindPlan
	err := r.ask(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), "rewind"}, query: query, ok: done, looks: true, large: true},
		&plan, func() bool { return plan.Instance != "" })
	return plan, err
}

// needOurs refuses hosts that would ignore parameters which are not in the
// contract, where that would do harm. Ours mark their answers; those of earlier
// builds count instances at least.
func (r *remote) needOurs(ctx context.Context) error {
	if r.ours.Load() {
		return nil
	}
	var counted wireCounts
	err := r.ask(ctx, call{method: http.MethodGet, path: []string{"counts"}, ok: done}, &counted, counted.formed)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: the host would not heed all that is asked", ErrUnsupported)
	}
	return err
}

// Restart looks the instance up when a host says no more than that the request
// is bad: that is how a missing one is told (docs/contracts/http-api.md 5.10).
func (r *remote) Restart(ctx context.Context, id history.InstanceID, q hub.RestartRequest) (history.InstanceID, error) {
	started, err := r.started(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), "restart"},
		query: url.Values{"restartWithNewInstanceId": {strconv.FormatBool(!q.SameID)}}, ok: accepted})
	if errors.Is(err, ErrInvalidArgument) {
		if _, missing := r.Status(ctx, id, hub.StatusOptions{}); errors.Is(missing, ErrNotFound) {
			return "", missing
		}
	}
	return started, err
}

func (r *remote) Purge(ctx context.Context, id history.InstanceID, q hub.PurgeRequest) (hub.PurgeResult, error) {
	query := url.Values{"showDetails": {"true"}}
	if q.Force {
		query.Set("force", "true")
	}
	if q.Recursive {
		query.Set("recursive", "true")
		if err := r.needOurs(ctx); err != nil {
			return hub.PurgeResult{}, err
		}
	}
	return r.purged(ctx, call{method: http.MethodDelete, path: []string{"instances", string(id)}, query: query, ok: done, silence: slow})
}

// purged is ask for purges.
func (r *remote) purged(ctx context.Context, c call) (hub.PurgeResult, error) {
	result := hub.PurgeResult{Deleted: -1, Complete: true} // a host that does not say has done all
	if err := r.ask(ctx, c, &result, func() bool { return result.Deleted >= 0 }); err != nil {
		return hub.PurgeResult{}, err
	}
	return result, nil
}

// purgeChunk is how many instances one request of a bulk purge removes at most,
// so that requests end and progress can be told.
const purgeChunk = 20_000

// PurgeBy asks again until nothing is left.
func (r *remote) PurgeBy(ctx context.Context, f hub.PurgeFilter) (hub.PurgeResult, error) {
	var sum hub.PurgeResult
	if onlyOurs(&f.Query) || f.IDPrefix != "" || f.Max > 0 || f.DryRun {
		if err := r.needOurs(ctx); err != nil {
			return sum, err
		}
	}
	for {
		limit := f.Max
		if !f.DryRun {
			limit = purgeChunk
			if f.Max > 0 {
				limit = min(limit, f.Max-sum.Deleted)
			}
		}
		part, err := r.purge(ctx, &f, limit)
		sum.Deleted, sum.Events, sum.Skipped = sum.Deleted+part.Deleted, sum.Events+part.Events, part.Skipped
		sum.Complete = err == nil && part.Complete
		if err == nil && f.Progress != nil && part.Deleted > 0 {
			f.Progress(sum)
		}
		enough := f.Max > 0 && sum.Deleted >= f.Max || !f.Until.IsZero() && !time.Now().Before(f.Until)
		if err != nil || sum.Complete || part.Deleted == 0 || f.DryRun || enough {
			return sum, err
		}
	}
}

// purge is one request. Hosts demand a first time of creation, and one of
// another make takes no status for all of them, live ones included.
func (r *remote) purge(ctx context.Context, f *hub.PurgeFilter, limit int) (hub.PurgeResult, error) {
	q := f.Query
	var err error
	if q.Statuses, err = terminal(q.Statuses); err != nil {
		return hub.PurgeResult{}, err
	}
	query := filter(&q)
	if q.CreatedFrom == nil {
		query.Set("createdTimeFrom", "0001-01-01T00:00:00Z")
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if f.DryRun {
		query.Set("dryRun", "true")
	}
	result, err := r.purged(ctx, call{method: http.MethodDelete, path: []string{"instances"}, query: query, ok: done, looks: f.DryRun, silence: slow})
	if errors.Is(err, ErrNotFound) {
		return hub.PurgeResult{Complete: true}, nil // there are none
	}
	return result, err
}

func (r *remote) Explain(ctx context.Context, id history.InstanceID) (hub.Explanation, error) {
	var explanation hub.Explanation
	return explanation, r.own(ctx, id, "explain", silence, &explanation, func() bool { return explanation.Instance != "" })
}

func (r *remote) Export(ctx context.Context, id history.InstanceID) (hub.Archive, error) {
	var archive hub.Archive
	return archive, r.own(ctx, id, "export", slow, &archive, func() bool { return archive.Instance.ID != "" })
}

// own asks for something that only our hosts have. Others have no such route
// and answer as if the instance was missing.
func (r *remote) own(ctx context.Context, id history.InstanceID, word string, silence time.Duration, out any, formed func() bool) error {
	err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id), word}, ok: done, large: true, silence: silence}, out, formed)
	if errors.Is(err, ErrNotFound) || errors.Is(err, errUnserved) {
		if _, missing := r.Status(ctx, id, hub.StatusOptions{}); missing == nil {
			return fmt.Errorf("%w: the host has no %s", ErrUnsupported, word)
		}
	}
	return err
}

func (r *remote) Import(ctx context.Context, q hub.ImportRequest) (history.InstanceID, error) {
	body, err := json.Marshal(q.Archive)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	query := url.Values{"reuse": {wire.ReuseNames[q.Reuse]}}
	if q.ID != "" {
		query.Set("instanceId", string(q.ID))
	}
	return r.started(ctx, call{method: http.MethodPost, path: []string{"import"}, query: query, body: body, ok: []int{http.StatusCreated}, silence: slow})
}

// DeleteHub is not part of the HTTP API: hosts have it beside that, for the
// holder of their endpoint's key.
func (r *remote) DeleteHub(ctx context.Context, force bool) error {
	query := url.Values{"force": {strconv.FormatBool(force)}}
	if r.options.TaskHub != "" {
		query.Set("taskHub", r.options.TaskHub)
	}
	c := call{method: http.MethodPost, path: []string{"admin", "perdure", "delete-hub"}, query: query, ok: []int{http.StatusNoContent}, own: true, silence: slow}
	_, err := r.sendTo(ctx, c, r.root+"/"+strings.Join(c.path, "/")+"?"+query.Encode())
	if errors.Is(err, ErrNotFound) || errors.Is(err, errUnserved) {
		return fmt.Errorf("%w: the host deletes no hubs", ErrUnsupported)
	}
	return err
}
