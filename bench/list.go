package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// runList measures pages of 100 among many stored instances, and counts.
func runList(ctx context.Context, site site) (metrics []metric, err error) {
	f, err := openFolder(site)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	l, err := newListing(ctx, f, site.size.listed)
	if err != nil {
		return nil, err
	}
	var pages, filtered, all []float64
	shown := 0
	for range site.size.pages {
		q := l.query()
		for range 1 + l.rng.IntN(5) {
			began := time.Now()
			page, err := f.hub.ListInstances(ctx, q)
			if err != nil {
				return nil, err
			}
			pages = append(pages, milliseconds(time.Since(began)))
			shown += len(page.Rows)
			if q.Before = page.Next; page.Next == 0 {
				break
			}
		}
	}
	for range 20 {
		took, err := l.count(ctx, history.Query{Statuses: []history.RuntimeStatus{history.Failed, history.Running}})
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	for range 5 {
		took, err := l.count(ctx, history.Query{Statuses: []history.RuntimeStatus{history.Completed}, Name: l.name()})
		if err != nil {
			return nil, err
		}
		filtered = append(filtered, took)
	}
	return []metric{
		{"page_p50", quantile(pages, 0.5), "ms"},
		{"page_p99", quantile(pages, 0.99), "ms"},
		{"rows", float64(shown) / float64(len(pages)), "rows/page"},
		{"count", quantile(all, 0.5), "ms"},
		{"count_by_name", quantile(filtered, 0.5), "ms"},
	}, nil
}

// listing is a store full of instances, made up at random, but the same ones
// in each run.
type listing struct {
	folder *folder
	rng    *rand.Rand
	first  int64 // creation time of the first instance, in microseconds
	micros int64 // and of the last
}

// Ninety-five of a hundred instances have completed; one of a hundred each has another of
// these statuses.
var otherStatuses = []history.RuntimeStatus{history.Running, history.Failed, history.Terminated, history.Pending, history.Suspended}

const (
	listedNames     = 20
	listedRegions   = 10
	listedCustomers = 5_000
)

func newListing(ctx context.Context, f *folder, n int) (*listing, error) {
	owner, err := f.own(ctx)
	if err != nil {
		return nil, err
	}
	l := &listing{folder: f, rng: rand.New(rand.NewPCG(1, 2)), first: time.Now().UnixMicro()}
	l.micros = l.first
	for stored := 0; stored < n; {
		deltas := make([]*store.Delta, min(storedAtOnce, n-stored))
		for i := range deltas {
			deltas[i] = l.instance()
		}
		if err := owner.Commit(ctx, 0, deltas); err != nil {
			return nil, fmt.Errorf("store instances %d to %d: %w", stored, stored+len(deltas), err)
		}
		stored += len(deltas)
	}
	return l, nil
}

func (l *listing) instance() *store.Delta {
	l.micros += 1_000
	id := history.InstanceID(fmt.Sprintf("%016x%016x", l.rng.Uint64(), l.rng.Uint64()))
	number := history.NewNumber(l.micros, history.PartitionOf(id, l.folder.hub.Partitions()))
	row := &history.Instance{
		Number: number, ID: id, ExecutionID: history.ExecutionID(id), Name: l.name(), Status: history.Completed,
		CreatedAt: number.CreatedAt(), UpdatedAt: number.CreatedAt(),
		Tags: map[string]string{"region": l.region(), "customer": l.customer()},
	}
	if i := l.rng.IntN(100); i < len(otherStatuses) {
		row.Status = otherStatuses[i]
	}
	if row.Status.Terminal() {
		row.CompletedAt = row.UpdatedAt
	}
	return &store.Delta{
		Partition: number.Partition(), Number: number, ID: id, Row: row, OldStatus: history.Unknown,
		Record: &store.Record{Seq: 1, Bytes: make([]byte, 300)},
	}
}

func (l *listing) name() string     { return fmt.Sprint("Orchestrator", l.rng.IntN(listedNames)) }
func (l *listing) region() string   { return fmt.Sprint("region-", l.rng.IntN(listedRegions)) }
func (l *listing) customer() string { return fmt.Sprint("customer-", l.rng.IntN(listedCustomers)) }

// query draws filters, and where to begin.
func (l *listing) query() history.Query {
	var q history.Query
	filters := 1 + l.rng.IntN(1<<6-1) // any but none
	if filters&1 != 0 {
		q.Statuses = append(q.Statuses, otherStatuses[l.rng.IntN(len(otherStatuses))])
		if l.rng.IntN(2) == 0 {
			q.Statuses = append(q.Statuses, history.Completed)
		}
	}
	if filters&2 != 0 {
		q.Name = l.name()
	}
	if filters&4 != 0 {
		q.Tags = map[string]string{"region": l.region()}
		if l.rng.IntN(2) == 0 {
			q.Tags = map[string]string{"customer": l.customer()}
		}
	}
	if filters&8 != 0 {
		q.CreatedFrom, q.CreatedTo = new(l.moment()), new(l.moment())
		if q.CreatedTo.Before(*q.CreatedFrom) {
			q.CreatedFrom, q.CreatedTo = q.CreatedTo, q.CreatedFrom
		}
	}
	if filters&16 != 0 {
		q.IDPrefix = fmt.Sprintf("%04x", l.rng.IntN(1<<16))[:1+l.rng.IntN(4)]
	}
	if filters&32 != 0 {
		q.Before = history.NewNumber(l.moment().UnixMicro(), 0)
	}
	return q
}

// moment draws a time at which an instance may have been created.
func (l *listing) moment() time.Time { return time.UnixMicro(l.first + l.rng.Int64N(l.micros-l.first)) }

// count returns how long it takes to count, in milliseconds.
func (l *listing) count(ctx context.Context, q history.Query) (float64, error) {
	began := time.Now()
	_, err := l.folder.hub.CountInstances(ctx, q)
	return milliseconds(time.Since(began)), err
}
