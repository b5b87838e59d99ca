package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// DefaultPartitions is how many partitions a new hub has unless told otherwise.
const DefaultPartitions = 64

// Hub is one task hub of a [DB]. It implements [store.Store].
type Hub struct {
	db         *DB
	id         uint16
	name       string
	partitions int
	deleted    atomic.Bool
	view       view

	// writing is held by a commit, so that it adds to the counts of the one
	// before, and by whatever ends a tenure, so that no commit of it comes
	// after that. It guards what follows.
	writing sync.Mutex
	tenure  *tenure // the one there is; nil: none
	epochs  []store.Epoch
	counts  *counts // as they are stored; nil when that is not known
	writer  *writer // of the next commit; nil before the first one
}

var _ store.Store = (*Hub)(nil)

// hubRecord is how a hub is stored.
type hubRecord struct {
	Name       string `json:"name"` // as spelt when it was made
	Partitions int    `json:"partitions"`
	Deleted    bool   `json:"deleted,omitempty"` // nothing is left but this record
}

// Hub opens the hub called name, in any letter case. All calls for one hub
// return the same one.
func (db *DB) Hub(name string, opts store.HubOptions) (*Hub, error) {
	if opts.Partitions < 0 || opts.Partitions > history.MaxPartitions {
		return nil, fmt.Errorf("hub %q: %d partitions, not 1 to %d", name, opts.Partitions, history.MaxPartitions)
	}
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	db.making.Lock()
	defer db.making.Unlock()
	h, ok := db.findHub(name)
	if !ok {
		if !opts.Create {
			return nil, fmt.Errorf("hub %q in %s: %w", name, db.dir, store.ErrHubNotFound)
		}
		return db.createHub(name, cmp.Or(opts.Partitions, DefaultPartitions))
	}
	if opts.Partitions != 0 && opts.Partitions != h.partitions {
		return nil, fmt.Errorf("hub %q has %d partitions, not %d: they are fixed when a hub is made; ask for %d, or for another hub",
			h.name, h.partitions, opts.Partitions, h.partitions)
	}
	return h, nil
}

// Hubs returns the names of the hubs in the folder, as they were spelt when
// they were made, sorted.
func (db *DB) Hubs() []string {
	db.mu.Lock()
	defer db.mu.Unlock()
	var names []string
	for _, h := range db.hubs {
		names = append(names, h.name)
	}
	slices.Sort(names)
	return names
}

func newHub(db *DB, id uint16) *Hub { return &Hub{db: db, id: id, view: view{pebble: db.pebble}} }

func (db *DB) findHub(name string) (*Hub, bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	h, ok := db.hubs[strings.ToLower(name)]
	return h, ok
}

func (db *DB) createHub(name string, partitions int) (*Hub, error) {
	if name == "" {
		return nil, errors.New("hub without a name")
	}
	if db.lastHub == math.MaxUint16 {
		return nil, fmt.Errorf("hub %q: the store in %s has had %d hubs, there is no room for more", name, db.dir, math.MaxUint16)
	}
	h := newHub(db, db.lastHub+1)
	h.name, h.partitions, h.epochs = name, partitions, make([]store.Epoch, partitions)
	record, err := json.Marshal(hubRecord{Name: name, Partitions: partitions})
	if err != nil {
		return nil, fmt.Errorf("hub %q: %w", name, err)
	}
	batch := db.pebble.NewBatch()
	if err := batch.Set(newKey(0, spaceHubs).uint16(h.id), record, nil); err != nil {
		return nil, fmt.Errorf("hub %q: %w", name, err)
	}
	if err := db.apply(batch); err != nil {
		return nil, fmt.Errorf("make hub %q: %w", name, err)
	}
	db.lastHub = h.id
	db.mu.Lock()
	db.hubs[strings.ToLower(name)] = h
	db.mu.Unlock()
	return h, nil
}

// loadHubs reads what hubs there are, and their epochs.
func (db *DB) loadHubs() error {
	it, err := db.pebble.NewIter(newKey(0, spaceHubs).prefix())
	if err != nil {
		return err
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		last := fixed(it.Key())
		h := newHub(db, last.uint16())
		var record hubRecord
		if err := json.Unmarshal(it.Value(), &record); err != nil {
			return fmt.Errorf("hub %d: %w", h.id, err)
		}
		db.lastHub = h.id
		if record.Deleted {
			continue
		}
		h.name, h.partitions = record.Name, record.Partitions
		if h.partitions < 1 || h.partitions > history.MaxPartitions {
			return fmt.Errorf("hub %q has %d partitions, not 1 to %d: it is damaged", h.name, h.partitions, history.MaxPartitions)
		}
		if err := h.loadEpochs(); err != nil {
			return fmt.Errorf("hub %q: %w", h.name, err)
		}
		db.hubs[strings.ToLower(h.name)] = h
	}
	return it.Error()
}

func (h *Hub) loadEpochs() error {
	h.epochs = make([]store.Epoch, h.partitions)
	it, err := h.db.pebble.NewIter(newKey(h.id, spaceEpochs).prefix())
	if err != nil {
		return err
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		last := fixed(it.Key())
		partition := int(last.uint16())
		if partition >= h.partitions || len(it.Value()) != 8 {
			return fmt.Errorf("epoch of partition %d of %d is damaged", partition, h.partitions)
		}
		h.epochs[partition] = store.Epoch(binary.BigEndian.Uint64(it.Value()))
	}
	return it.Error()
}

// Name returns the hub's name as it was spelt when it was made.
func (h *Hub) Name() string { return h.name }

// Partitions implements [store.Store].
func (h *Hub) Partitions() int { return h.partitions }

// begin begins a call that concerns partitions. It must be followed by
// db.leave, unless it returns an error.
func (h *Hub) begin(ctx context.Context, partitions ...int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, partition := range partitions {
		if err := h.checkPartition(partition); err != nil {
			return err
		}
	}
	if err := h.err(); err != nil {
		return err
	}
	return h.db.enter()
}

func (h *Hub) checkPartition(partition int) error {
	if partition < 0 || partition >= h.partitions {
		return fmt.Errorf("partition %d: hub %q has %d", partition, h.name, h.partitions)
	}
	return nil
}

// iterator returns an iterator of what is durable now.
func (h *Hub) iterator(bounds *pebble.IterOptions) (*pebble.Iterator, error) {
	it, err := h.view.iterator(bounds)
	if err != nil {
		return nil, err
	}
	if err := h.err(); err != nil { // it may lack what was deleted
		return nil, errors.Join(err, it.Close())
	}
	return it, nil
}
