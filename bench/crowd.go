package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// life is what the engine stores of an instance, in order. Running a million
// instances takes a minute, so workloads that only need them to be there record
// one life and give it to a crowd, straight into the store. What differs between
// instances in truth differs there too: ids and times, or else the store would
// compress them to nothing.
type life []step

type step struct {
	delta store.Delta
	turn  history.Turn // decoded Record of delta, if it has one
}

// helloLife runs hello once and returns its life.
func helloLife(ctx context.Context, site site) (life, error) {
	return record(ctx, site, func(p *process) error { return p.complete(ctx, "Hello", nil) })
}

// waitingLife returns the life, so far, of an instance that waits for an event.
func waitingLife(ctx context.Context, site site) (life, error) {
	return record(ctx, site, func(p *process) error {
		if _, err := p.Start(ctx, "AwaitGo", nil, client.StartOptions{}); err != nil {
			return err
		}
		return p.begun(ctx)
	})
}

// record returns what the engine stores of the one instance that run starts.
func record(ctx context.Context, site site, run func(p *process) error) (life, error) {
	var kept []store.Delta
	_, err := with(ctx, site, func(p *process) ([]metric, error) {
		p.store.keep.Store(true)
		err := run(p)
		p.store.mu.Lock()
		defer p.store.mu.Unlock()
		kept = p.store.kept
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	l := make(life, len(kept))
	for i, delta := range kept {
		l[i].delta = delta
		if delta.Record == nil {
			continue
		}
		if l[i].turn, err = history.DecodeTurn(delta.Record.Seq, delta.Record.Bytes); err != nil {
			return nil, fmt.Errorf("record %d: %w", delta.Record.Seq, err)
		}
	}
	return l, nil
}

// whole is a life in one step, stepwise in one for each delta.
func (l life) whole() []life { return []life{l} }

func (l life) stepwise() []life { return slices.Collect(slices.Chunk(l, 1)) }

// crowd makes up instances.
type crowd struct {
	partitions int
	micros     int64 // of the last instance's number
}

func newCrowd(partitions int) *crowd {
	return &crowd{partitions: partitions, micros: time.Now().UnixMicro()}
}

// commits returns, for each part of an instance's life, a commit of that part
// for the same n new instances.
func (c *crowd) commits(n int, parts []life) [][]*store.Delta {
	commits := make([][]*store.Delta, len(parts))
	for range n {
		c.micros++
		m := newMember(c.micros, c.partitions, parts[0][0].delta.Number)
		for i, part := range parts {
			for _, s := range part {
				commits[i] = append(commits[i], m.live(s))
			}
		}
	}
	return commits
}

// member is one of a crowd.
type member struct {
	id        history.InstanceID
	execution history.ExecutionID
	number    history.Number
	late      time.Duration // after the one whose life it leads
}

func newMember(micros int64, partitions int, like history.Number) *member {
	m := &member{id: history.NewInstanceID(), execution: history.NewExecutionID()}
	m.number = history.NewNumber(micros, history.PartitionOf(m.id, partitions))
	m.late = m.number.CreatedAt().Sub(like.CreatedAt())
	return m
}

// live returns the delta of s as it would be for m. A turn takes m up to a
// millisecond longer.
func (m *member) live(s step) *store.Delta {
	d := s.delta
	if d.Record != nil && d.OldStatus != history.Unknown {
		m.late += time.Duration(rand.Int64N(1_000)) * time.Microsecond
	}
	d.Partition, d.Number, d.ID = m.number.Partition(), m.number, m.id
	if d.Row != nil {
		row := *d.Row
		row.Number, row.ID, row.ExecutionID = m.number, m.id, m.execution
		row.CreatedAt, row.UpdatedAt = m.number.CreatedAt(), m.at(row.UpdatedAt)
		row.CompletedAt = m.at(row.CompletedAt)
		d.Row = &row
	}
	if d.Record != nil {
		turn := s.turn
		turn.At, turn.Events = m.at(turn.At), slices.Clone(turn.Events)
		for i := range turn.Events {
			ev := &turn.Events[i]
			ev.At = m.at(ev.At)
			if ev.Started != nil {
				started := *ev.Started
				started.ExecutionID = m.execution
				ev.Started = &started
			}
		}
		d.Record = &store.Record{Seq: turn.Seq, Bytes: history.AppendTurn(nil, &turn)}
	}
	return &d
}

// at returns when for m is what was t for the one whose life it leads.
func (m *member) at(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(m.late)
}

// storedAtOnce is how many instances one commit stores while a store is filled.
const storedAtOnce = 10_000

// fill stores n instances that have lived l, and returns when the last one was
// created. No engine may run on the store. All of a life is in one commit, so
// the store is spared what real instances only have for a while; once compacted, 20,000
// of them take as much disk as 20,000 that ran, but for 2 %.
func (f *folder) fill(ctx context.Context, l life, n int) (time.Time, error) {
	owner, err := f.own(ctx)
	if err != nil {
		return time.Time{}, err
	}
	crowd := newCrowd(f.hub.Partitions())
	crowd.micros -= int64(n) // the past: numbers to come belong to an engine
	for stored := 0; stored < n; stored += storedAtOnce {
		for _, deltas := range crowd.commits(min(storedAtOnce, n-stored), l.whole()) {
			if err := owner.Commit(ctx, 0, deltas); err != nil {
				return time.Time{}, fmt.Errorf("store %d deltas: %w", len(deltas), err)
			}
		}
	}
	return time.UnixMicro(crowd.micros), nil
}
