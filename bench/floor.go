package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// floorInstances is how many instances a commit of the floor is about.
const floorInstances = 100

// runFloor measures what no engine can beat on this disk: the store alone,
// storing what hello stores, and the disk alone, syncing.
func runFloor(ctx context.Context, site site) ([]metric, error) {
	life, err := helloDeltas(ctx, site)
	if err != nil {
		return nil, err
	}
	whole, err := floorRate(ctx, site, [][]engine.Delta{life})
	if err != nil {
		return nil, err
	}
	steps := make([][]engine.Delta, len(life))
	for i := range life {
		steps[i] = life[i : i+1]
	}
	stepwise, err := floorRate(ctx, site, steps)
	if err != nil {
		return nil, err
	}
	syncs, err := syncRate(site)
	return []metric{
		{"throughput", whole, "orchestrations/s"},
		{"throughput_stepwise", stepwise, "orchestrations/s"},
		{"fsync", syncs, "fsyncs/s"},
	}, err
}

// helloDeltas runs hello once and returns what the engine stored of it.
func helloDeltas(ctx context.Context, site site) ([]engine.Delta, error) {
	var life []engine.Delta
	_, err := with(ctx, site, func(p *process) ([]metric, error) {
		p.store.keep.Store(true)
		err := p.complete(ctx, "Hello", nil)
		p.store.mu.Lock()
		defer p.store.mu.Unlock()
		life = p.store.kept
		return nil, err
	})
	return life, err
}

// deltaFor returns d as it would be for another instance.
func deltaFor(d engine.Delta, id history.InstanceID, number history.Number, epoch engine.Epoch) *engine.Delta {
	d.Partition, d.Epoch, d.Number, d.ID = number.Partition(), epoch, number, id
	if d.Row != nil {
		row := *d.Row
		row.Number, row.ID = number, id
		d.Row = &row
	}
	return &d
}

// floorRate stores the steps of an instance's life for many instances, each
// step of floorInstances instances as one commit, and returns how many
// instances a second that makes. Making up the deltas does not count.
func floorRate(ctx context.Context, site site, steps [][]engine.Delta) (rate float64, err error) {
	f, err := openFolder(site.dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	epochs, err := f.acquire(ctx)
	if err != nil {
		return 0, err
	}
	crowd := newCrowd(epochs)
	var took time.Duration
	n := site.size.floor / floorInstances * floorInstances
	for stored := 0; stored < n; stored += floorInstances {
		commits := crowd.commits(floorInstances, steps)
		began := time.Now()
		for _, deltas := range commits {
			if err := f.hub.Commit(ctx, deltas); err != nil {
				return 0, fmt.Errorf("commit %d deltas: %w", len(deltas), err)
			}
		}
		took += time.Since(began)
	}
	return float64(n) / took.Seconds(), nil
}

// acquire takes all partitions of the hub.
func (f *folder) acquire(ctx context.Context) ([]engine.Epoch, error) {
	epochs := make([]engine.Epoch, f.hub.Partitions())
	for partition := range epochs {
		var err error
		if epochs[partition], err = f.hub.Acquire(ctx, partition); err != nil {
			return nil, fmt.Errorf("acquire partition %d: %w", partition, err)
		}
	}
	return epochs, nil
}

// crowd makes up instances.
type crowd struct {
	epochs []engine.Epoch // of the partitions
	micros int64          // of the last instance's number
}

func newCrowd(epochs []engine.Epoch) *crowd {
	return &crowd{epochs: epochs, micros: time.Now().UnixMicro()}
}

// commits returns, for each step of an instance's life, a commit of that step
// for the same n new instances.
func (c *crowd) commits(n int, steps [][]engine.Delta) [][]*engine.Delta {
	commits := make([][]*engine.Delta, len(steps))
	for range n {
		c.micros++
		id := history.NewInstanceID()
		number := history.NewNumber(c.micros, history.PartitionOf(id, len(c.epochs)))
		for i, step := range steps {
			for _, d := range step {
				commits[i] = append(commits[i], deltaFor(d, id, number, c.epochs[number.Partition()]))
			}
		}
	}
	return commits
}

// syncRate returns how many small appends a second the disk makes durable, one
// after another, with the call that the store uses.
func syncRate(site site) (rate float64, err error) {
	f, err := openFolder(site.dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	file, err := vfs.Default.Create(filepath.Join(f.dir, "appended"), vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	line := make([]byte, 512)
	began := time.Now()
	for range site.size.syncs {
		if _, err := file.Write(line); err != nil {
			return 0, err
		}
		if err := file.SyncData(); err != nil {
			return 0, err
		}
	}
	return float64(site.size.syncs) / time.Since(began).Seconds(), nil
}
