package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/store"
)

// tenure implements [store.Tenure]. A store has any number of them.
type tenure struct {
	store  *Store
	member store.Member
	beatAt time.Time // guarded by mu of the store, as member is
}

// Join implements [store.Store].
func (s *Store) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tenure{store: s, member: store.Member{Node: self, ID: store.NewTenureID()}, beatAt: time.Now()}
	s.tenures[t.ID()] = t
	return t, nil
}

func (t *tenure) ID() store.TenureID { return t.member.ID }
func (t *tenure) Lanes() int         { return t.store.lanes }

// check tells why a call cannot be. mu is held.
func (t *tenure) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.store.tenures[t.ID()] == nil {
		return fmt.Errorf("tenure %d is over: %w", t.ID(), store.ErrFenced)
	}
	return nil
}

// Acquire implements [store.Tenure].
func (t *tenure) Acquire(ctx context.Context, partitions ...int) ([]store.Grant, error) {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	for _, i := range partitions {
		if _, err := s.partition(i); err != nil {
			return nil, err
		}
	}
	var grants []store.Grant
	for _, i := range partitions {
		p := &s.partitions[i]
		if p.owner == 0 {
			p.owner = t.ID()
			p.epoch++
		}
		if p.owner == t.ID() && !p.granted {
			grants = append(grants, store.Grant{Partition: i, Epoch: p.epoch, Carry: p.carry})
			p.granted, p.carry = true, nil
		}
	}
	return grants, nil
}

// Commit implements [store.Tenure].
func (t *tenure) Commit(ctx context.Context, lane int, deltas []*store.Delta) error {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return err
	}
	if lane < 0 || lane >= s.lanes {
		return fmt.Errorf("lane %d: there are %d", lane, s.lanes)
	}
	released := make(map[int]bool) // by deltas before
	for _, d := range deltas {
		if err := t.admit(d); err != nil {
			return err
		}
		if released[d.Partition] {
			return fmt.Errorf("partition %d was released by a delta before: %w", d.Partition, store.ErrFenced)
		}
		released[d.Partition] = d.Release != nil
	}
	for _, d := range deltas {
		s.apply(d)
	}
	return nil
}

// admit checks a delta before anything of its commit is stored. mu is held.
func (t *tenure) admit(d *store.Delta) error {
	s := t.store
	p, err := s.partition(d.Partition)
	if err != nil {
		return err
	}
	if p.owner != t.ID() || !p.granted {
		return fmt.Errorf("tenure %d does not own partition %d: %w", t.ID(), d.Partition, store.ErrFenced)
	}
	for _, m := range d.Sent {
		if err := s.checkMessage(m.MessageKey); err != nil {
			return err
		}
	}
	for _, key := range d.Consumed {
		if err := s.checkMessage(key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkMessage(key store.MessageKey) error {
	if _, err := s.partition(key.Partition); err != nil {
		return err
	}
	_, err := s.partition(key.From)
	return err
}

// Beat implements [store.Tenure].
func (t *tenure) Beat(ctx context.Context, load store.Load) (store.Members, error) {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return store.Members{}, err
	}
	now := time.Now()
	t.member.Beat++
	t.member.Load, t.beatAt = slices.Clone(load), now
	members := store.Members{Owners: make([]store.TenureID, len(s.partitions))}
	for i := range s.partitions {
		members.Owners[i] = s.partitions[i].owner
	}
	for _, id := range slices.Sorted(maps.Keys(s.tenures)) {
		other := s.tenures[id]
		m := other.member
		m.Load, m.Age = slices.Clone(m.Load), now.Sub(other.beatAt)
		members.Nodes = append(members.Nodes, m)
	}
	return members, nil
}

// Fence implements [store.Tenure].
func (t *tenure) Fence(ctx context.Context, id store.TenureID) error {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return err
	}
	delete(s.tenures, id)
	for i := range s.partitions {
		if p := &s.partitions[i]; p.owner == id && id != 0 {
			p.owner, p.granted, p.carry = 0, false, nil
			p.epoch++
		}
	}
	return nil
}

// Leave implements [store.Tenure].
func (t *tenure) Leave(ctx context.Context) error { return t.Fence(ctx, t.ID()) }
