package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/store"
)

// tenure implements [store.Tenure]. A hub has one at most: its folder is locked
// by one process, and within that the last who joins is the one. So nothing of
// it but the epochs is stored.
type tenure struct {
	hub  *Hub
	id   store.TenureID
	self store.Node

	// Guarded by writing of the hub.
	owned []bool         // by partition
	carry map[int][]byte // of partitions that were released
	beats uint64
}

// Join implements [store.Store]. It fences the tenure before.
func (h *Hub) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	defer h.db.leave()
	t := &tenure{hub: h, id: store.NewTenureID(), self: self, owned: make([]bool, h.partitions), carry: make(map[int][]byte)}
	h.writing.Lock()
	defer h.writing.Unlock()
	h.tenure = t
	return t, nil
}

func (t *tenure) ID() store.TenureID { return t.id }
func (t *tenure) Lanes() int         { return 1 }

// check tells why the tenure cannot write. writing is held.
func (t *tenure) check() error {
	if err := t.hub.err(); err != nil {
		return err
	}
	if t.hub.tenure != t {
		return fmt.Errorf("tenure %d is over: %w", t.id, store.ErrFenced)
	}
	return nil
}

// Acquire implements [store.Tenure]. One sync makes all epochs durable.
func (t *tenure) Acquire(ctx context.Context, partitions ...int) ([]store.Grant, error) {
	h := t.hub
	if err := h.begin(ctx, partitions...); err != nil {
		return nil, err
	}
	defer h.db.leave()
	batch := h.db.pebble.NewBatch()
	grants, number, err := t.raise(batch, partitions)
	switch {
	case err == nil && len(grants) == 0:
		err = batch.Close()
	case err == nil:
		err = h.db.await(batch, number)
	}
	if err != nil {
		return nil, fmt.Errorf("acquire partitions: %w", err)
	}
	return grants, nil
}

// raise gives partitions their next epochs, by the commit with that number.
// They are durable when the batch is.
func (t *tenure) raise(batch *pebble.Batch, partitions []int) (grants []store.Grant, number uint64, err error) {
	h := t.hub
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := t.check(); err != nil {
		return nil, 0, err
	}
	owned := slices.Clone(t.owned)
	for _, p := range partitions {
		if owned[p] {
			continue
		}
		owned[p] = true
		g := store.Grant{Partition: p, Epoch: h.epochs[p] + 1, Carry: t.carry[p]}
		if err := batch.Set(h.epochKey(p), binary.BigEndian.AppendUint64(nil, uint64(g.Epoch)), nil); err != nil {
			return nil, 0, err
		}
		grants = append(grants, g)
	}
	if len(grants) == 0 {
		return nil, 0, nil
	}
	if err := h.db.space.take(batch.Len()); err != nil {
		return nil, 0, err
	}
	if number, err = h.db.submit(batch); err != nil {
		return nil, 0, err
	}
	t.owned = owned
	for _, g := range grants {
		h.epochs[g.Partition] = g.Epoch
		delete(t.carry, g.Partition)
	}
	return grants, number, nil
}

// Beat implements [store.Tenure].
func (t *tenure) Beat(ctx context.Context, load store.Load) (store.Members, error) {
	h := t.hub
	if err := h.begin(ctx); err != nil {
		return store.Members{}, err
	}
	defer h.db.leave()
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := t.check(); err != nil {
		return store.Members{}, err
	}
	t.beats++
	members := store.Members{
		Nodes:  []store.Member{{Node: t.self, ID: t.id, Beat: t.beats, Load: slices.Clone(load)}},
		Owners: make([]store.TenureID, h.partitions),
	}
	for p, owned := range t.owned {
		if owned {
			members.Owners[p] = t.id
		}
	}
	return members, nil
}

// Fence implements [store.Tenure].
func (t *tenure) Fence(ctx context.Context, id store.TenureID) error {
	h := t.hub
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.db.leave()
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := t.check(); err != nil {
		return err
	}
	if id == t.id {
		h.tenure = nil
	}
	return nil
}

// Leave implements [store.Tenure].
func (t *tenure) Leave(ctx context.Context) error { return t.Fence(ctx, t.id) }
