package engine

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file purges by filter, a page at a time and beside the work. Each page
// is claimed, looked at again if anything that had ended may have changed, and
// erased in one commit.

// sweepPage is how many instances one commit of a sweep erases: enough to be
// fast, few enough for other work to get its turn between two.
const sweepPage = 1000

// PurgeBy removes all ended instances that match the filter, newest first and
// some at a time. What it reports as deleted is durable; when it is stopped, by
// the filter's limits, by ctx or by an error, it tells how far it came and can
// be called again. Errors: ErrInvalidArgument when only statuses of live
// instances are asked for, ErrUnavailable, ctx's (docs/contracts/runtime.md
// 5.9).
func (e *Engine) PurgeBy(ctx context.Context, filter hub.PurgeFilter) (hub.PurgeResult, error) {
	statuses, err := endedStatuses(filter.Statuses)
	if err != nil {
		return hub.PurgeResult{}, err
	}
	filter.Query = filter.Tellable()
	filter.Statuses, filter.Before = statuses, 0
	s := sweep{engine: e, filter: filter}
	e.sweeps.begin()
	err = s.run(ctx)
	e.sweeps.end()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return s.result, err
}

// endedStatuses leaves the statuses of live instances out; none means all of
// ended ones.
func endedStatuses(statuses []history.RuntimeStatus) ([]history.RuntimeStatus, error) {
	if len(statuses) == 0 {
		return []history.RuntimeStatus{history.Completed, history.Failed, history.Canceled, history.Terminated}, nil
	}
	var ended []history.RuntimeStatus
	for _, status := range statuses {
		if status.Terminal() {
			ended = append(ended, status)
		}
	}
	if len(ended) == 0 {
		return nil, fmt.Errorf("%w: instances that are %s have not ended and are not purged by a filter; terminate them first", hub.ErrInvalidArgument, statuses[0])
	}
	return ended, nil
}

// sweep is a purge by a filter under way.
type sweep struct {
	engine *Engine
	filter hub.PurgeFilter
	taken  int // instances deleted, or about to be
	result hub.PurgeResult
}

// sweeps counts those of an engine. The zero value counts none.
type sweeps struct {
	running atomic.Int64
	changes atomic.Int64 // how often one began or ended
}

// begin and end count the sweeps that run, and that there was one: a sweep that
// was alone all the time knows what it has seen.
func (s *sweeps) begin() {
	s.running.Add(1)
	s.changes.Add(1)
}

// end is counted as a change first, see begin.
func (s *sweeps) end() {
	s.changes.Add(1) // first: who finds itself alone sees that there was another
	s.running.Add(-1)
}

// snapshot is the version of the ended instances at which a sweep reads them.
type snapshot struct {
	tenure           *tenure // nil: none
	revised, changes int64
}

// snapshot takes the version now. Two that are equal say that no instance that
// had ended was changed in between.
func (e *Engine) snapshot() snapshot {
	g := snapshot{tenure: e.current(), changes: e.sweeps.changes.Load()}
	if g.tenure != nil {
		g.revised = g.tenure.revised.Load()
	}
	return g
}

// holds reports whether what was read at g still is so for the instances that
// were claimed since, by the only sweep there is.
func (g snapshot) holds(e *Engine, t *tenure) bool {
	return g.tenure == t && e.sweeps.running.Load() == 1 && e.sweeps.changes.Load() == g.changes && t.revised.Load() == g.revised
}

// pageResult is what became of one page.
type pageResult struct {
	deleted, events, skipped int
	stored                   answer // given when all of it is durable
}

// take counts an instance that the page removes.
func (w *pageResult) take(row *history.Instance) {
	w.deleted++
	w.events += int(row.Events)
}

// run goes through the pages of what matches. While one page is being stored,
// the next one is read.
func (s *sweep) run(ctx context.Context) error {
	q := s.filter.Query
	var storing *pageResult // of the page before
	for !s.over() {
		q.Limit = sweepPage
		if s.filter.Max > 0 {
			q.Limit = min(q.Limit, s.filter.Max-s.taken)
		}
		seen := s.engine.snapshot()
		page, err := s.engine.store.ListInstances(ctx, q)
		if err != nil {
			return cmp.Or(s.await(storing), err)
		}
		cut, err := s.erasePage(ctx, q, page.Rows, seen)
		err = cmp.Or(s.await(storing), err)
		storing = cut
		if err != nil {
			return cmp.Or(err, s.await(storing))
		}
		if page.Next == 0 {
			err := s.await(storing)
			s.result.Complete = err == nil
			return err
		}
		q.Before = page.Next
	}
	return s.await(storing)
}

// over reports whether the filter's limits are reached.
func (s *sweep) over() bool {
	return s.filter.Max > 0 && s.taken >= s.filter.Max ||
		!s.filter.Until.IsZero() && !time.Now().Before(s.filter.Until)
}

// await waits until a page, if any, is durable, whatever becomes of the caller:
// what is reported as deleted is, and what is deleted is reported.
func (s *sweep) await(w *pageResult) error {
	if w == nil {
		return nil
	}
	if err := <-w.stored; err != nil {
		return err
	}
	s.result.Deleted += w.deleted
	s.result.Events += w.events
	s.result.Skipped += w.skipped
	if s.filter.Progress != nil {
		s.filter.Progress(s.result)
	}
	return nil
}

// erasePage erases the instances of a page, as they were seen.
func (s *sweep) erasePage(ctx context.Context, q history.Query, rows []history.Instance, seen snapshot) (*pageResult, error) {
	w := &pageResult{stored: newAnswer()}
	if s.filter.DryRun {
		for i := range rows {
			w.take(&rows[i])
		}
		w.stored.give(nil)
		s.taken += w.deleted
		return w, nil
	}
	t, err := s.engine.owner(ctx)
	if err != nil {
		return nil, err
	}
	free, busy := t.claimFree(rows)
	if len(free) > 0 {
		if !seen.holds(s.engine, t) {
			rows, err = t.pageAgain(ctx, q, rows)
		}
		t.eraseFree(rows, free, w)
		if err == nil { // else it is not known what became of the others
			w.skipped += len(free)
		}
	}
	for i := range busy {
		if err == nil {
			err = s.eraseBusy(ctx, t, &busy[i], w)
		}
	}
	s.taken += w.deleted
	t.lanes.barrier(w.stored.give)
	return w, err
}

// pageAgain reads what has become of the rows of a page.
func (t *tenure) pageAgain(ctx context.Context, q history.Query, rows []history.Instance) (again []history.Instance, err error) {
	q.Before = rows[0].Number + 1
	q.CreatedFrom = new(time.UnixMicro(rows[len(rows)-1].Number.Micros()))
	for more := true; more; more = q.Before != 0 {
		page, err := t.store.ListInstances(ctx, q)
		if err != nil {
			return again, err
		}
		again = append(again, page.Rows...)
		q.Before = page.Next
	}
	return again, nil
}

// claimFree claims those of rows that nothing is known of in memory: all about
// them is durable, and nobody can decide anything until the claim ends. The
// others are returned as busy.
func (t *tenure) claimFree(rows []history.Instance) (free map[history.Number]*instance, busy []history.Instance) {
	free = make(map[history.Number]*instance, len(rows))
	for i := range rows {
		row := &rows[i]
		p := t.partition(row.ID)
		p.mu.Lock()
		if _, held := p.instances[row.ID]; held || p.dead {
			busy = append(busy, *row)
		} else {
			inst := p.instance(row.ID)
			inst.running, inst.deltas = true, 1
			free[row.Number] = inst
		}
		p.mu.Unlock()
	}
	return free, busy
}

// eraseFree commits the end of those of rows that are free, those of a lane
// as one, and ends all claims. What stays in free was not among rows.
func (t *tenure) eraseFree(rows []history.Instance, free map[history.Number]*instance, w *pageResult) {
	type page struct {
		deltas []*store.Delta
		erased []*instance
	}
	pages := make(map[*commits]*page, len(t.lanes))
	for _, lane := range t.lanes {
		pages[lane] = new(page)
	}
	for i := range rows {
		row := &rows[i]
		inst, ok := free[row.Number]
		if !ok {
			continue
		}
		delete(free, row.Number)
		p := inst.partition
		of := pages[p.lane]
		of.deltas, of.erased = append(of.deltas, &store.Delta{Partition: p.index, Erase: row}), append(of.erased, inst)
		w.take(row)
	}
	for _, lane := range t.lanes {
		of := pages[lane]
		lane.addAll(of.deltas, func(error) {
			for _, inst := range of.erased {
				inst.partition.messageStored(inst)
			}
		})
		for _, inst := range of.erased {
			p := inst.partition
			p.mu.Lock()
			inst.known, inst.row = true, history.Instance{}
			p.yield(inst)
			p.mu.Unlock()
		}
	}
	for _, inst := range free {
		p := inst.partition
		p.mu.Lock()
		inst.deltas--
		p.yield(inst)
		p.mu.Unlock()
	}
}

// eraseBusy erases an instance that something is known of in memory, if it is
// as it was listed.
func (s *sweep) eraseBusy(ctx context.Context, t *tenure, row *history.Instance, w *pageResult) error {
	same := func(inst *instance) bool {
		return inst.row.Number == row.Number && s.filter.Matches(&inst.row)
	}
	p := t.partition(row.ID)
	p.mu.Lock()
	inst, ok := p.instances[row.ID]
	changed := ok && inst.known && !same(inst)
	p.mu.Unlock()
	if changed { // no need to wait for what it does now
		w.skipped++
		return nil
	}
	inst, err := p.take(ctx, claim{id: row.ID})
	if err != nil {
		return err
	}
	if same(inst) {
		w.take(&inst.row)
		err = t.erase(inst, nil, false)
	} else {
		w.skipped++
	}
	p.mu.Lock()
	p.yield(inst)
	p.mu.Unlock()
	return err
}
