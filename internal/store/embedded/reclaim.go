package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// What erasing leaves on disk goes with the next compactions of the keys around
// it, which may be long in coming. So, when much was erased and nothing more
// has been for reclaimDelay, the keys are compacted by hand. A purge that does
// not end waits no longer than for reclaimDelays of it.
const (
	reclaimDelay  = 2 * time.Second
	reclaimDelays = 15
	reclaimBytes  = 4 << 20 // less is not worth the work, and waits until there is more
)

// reclaimer compacts what was erased. Its goroutine runs while there is
// something to do.
type reclaimer struct {
	db     *DB
	ctx    context.Context // ends when the DB closes
	cancel context.CancelFunc
	delay  time.Duration
	worker sync.WaitGroup
	pass   sync.Mutex // held while what is pending is compacted

	mu      sync.Mutex // guards all below
	pending map[uint16]span
	news    bool // something was added since the last look
	running bool
}

// span is what was erased of a hub: the instances with numbers from first to
// before end, besides few that are still there, or all of it.
type span struct {
	first, end history.Number
	whole      bool
}

func (s span) with(other span) span {
	return span{min(s.first, other.first), max(s.end, other.end), s.whole || other.whole}
}

func newReclaimer(db *DB) *reclaimer {
	r := &reclaimer{db: db, delay: reclaimDelay, pending: make(map[uint16]span)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// add says that s was erased of a hub.
func (r *reclaimer) add(hub uint16, s span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	if before, ok := r.pending[hub]; ok {
		s = s.with(before)
	}
	r.pending[hub] = s
	r.news = true
	if !r.running {
		r.running = true
		r.worker.Go(r.run) // ends when nothing new comes, or by close, which waits
	}
}

// close ends the work at the next step.
func (r *reclaimer) close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.worker.Wait()
}

func (r *reclaimer) run() {
	for r.quiet() {
		if err := r.reclaimAll(r.ctx, reclaimBytes); err != nil && r.ctx.Err() == nil {
			r.db.breaker.log.Warn("disk space of what was erased is not given back yet", "error", err)
		}
	}
}

// Reclaim gives back, now, the disk space of all that was erased or deleted
// since the DB was opened, and returns when that is done. The DB does so by
// itself too, some seconds after the last of it.
func (db *DB) Reclaim(ctx context.Context) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if err := db.reclaimer.reclaimAll(ctx, 0); err != nil {
		return fmt.Errorf("reclaim disk space: %w", err)
	}
	return nil
}

// Compact rewrites all hubs to as few bytes as they take, and returns when that
// is done. Pebble does so by itself too, bit by bit as more is written; what
// nobody writes to any more would stay as it is.
func (db *DB) Compact(ctx context.Context) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if err := db.reclaimer.compact(ctx, newHubKey(0), newHubKey(math.MaxUint16).uint8(0xff)); err != nil {
		return fmt.Errorf("compact the store: %w", err)
	}
	return nil
}

// reclaimAll compacts all that is pending where it takes at least so many
// bytes.
func (r *reclaimer) reclaimAll(ctx context.Context, atLeast uint64) error {
	r.pass.Lock()
	defer r.pass.Unlock()
	var errs []error
	for hub, s := range r.take() {
		errs = append(errs, r.reclaim(ctx, hub, s, atLeast))
	}
	return errors.Join(errs...)
}

// quiet waits until nothing has been added for a while. It returns false, and
// running is over, if there is nothing new, or the DB closes.
func (r *reclaimer) quiet() bool {
	ticks := time.NewTicker(max(r.delay, 1))
	defer ticks.Stop()
	for i := 0; ; i++ {
		r.mu.Lock()
		news := r.news
		r.news = false
		if r.ctx.Err() != nil || !news && i == 0 {
			r.running = false
			r.mu.Unlock()
			return false
		}
		r.mu.Unlock()
		if !news || i == reclaimDelays {
			return true
		}
		select {
		case <-ticks.C:
		case <-r.ctx.Done():
		}
	}
}

func (r *reclaimer) take() map[uint16]span {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.pending
	r.pending = make(map[uint16]span)
	return taken
}

// reclaim compacts what was erased of a hub, or puts it back if it is little.
func (r *reclaimer) reclaim(ctx context.Context, hub uint16, s span, atLeast uint64) error {
	if s.whole {
		return r.compact(ctx, newHubKey(hub), newHubKey(hub).uint8(0xff))
	}
	numbered := func(space byte) (key, key) {
		return newKey(hub, space).number(s.first), newKey(hub, space).number(s.end)
	}
	var size uint64
	for _, space := range []byte{spaceRows, spaceRecords, spaceBig} {
		bytes, err := r.db.pebble.EstimateDiskUsage(numbered(space))
		if err != nil {
			return err
		}
		size += bytes
	}
	if size < atLeast {
		r.mu.Lock()
		defer r.mu.Unlock()
		if more, ok := r.pending[hub]; ok {
			s = s.with(more)
		}
		r.pending[hub] = s
		return nil
	}
	for _, space := range []byte{spaceRows, spaceRecords, spaceBig} {
		if err := r.compact(ctx, newKey(hub, space).number(s.first), newKey(hub, space).number(s.end)); err != nil {
			return err
		}
	}
	// In these there are keys of all numbers close to each other.
	for _, space := range []byte{spaceTags, spaceIDs, spaceNames, spaceStatuses} {
		if err := r.compact(ctx, newKey(hub, space), newKey(hub, space).next()); err != nil {
			return err
		}
	}
	return nil
}

func (r *reclaimer) compact(ctx context.Context, start, end key) error {
	return r.db.do(func() error { return r.db.pebble.Compact(ctx, start, end, false) })
}
