package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/store"
)

// ErrClosed is what calls of a closed [DB] and its hubs return. To an engine it
// is an [store.ErrBroken].
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "store is closed" }
func (closedError) Is(target error) bool { return target == store.ErrBroken }

// Options of a [DB]. The zero value is good.
type Options struct {
	Logger       *slog.Logger           // nil: nothing is logged
	FS           vfs.FS                 // nil: the real disk
	MinFreeBytes uint64                 // commits fail with [store.ErrNoSpace] when less is free; 0: 64 MiB
	FreeBytes    func() (uint64, error) // free bytes on the disk; nil: ask it
	CacheBytes   int64                  // memory for blocks read from disk; 0: 64 MiB
	OpenFiles    int                    // tables that stay open at most; 0: 1,000
	ReadOnly     bool                   // the folder is a store and nothing in it is changed; writes fail
	FillLogs     bool                   // with FS: logs are filled ahead, as on a real disk where that pays
}

// DB is an open store folder. All methods are safe for concurrent use.
//
// When Pebble meets an error that it cannot go on from, such as a disk that
// refuses writes, the DB is broken: all calls return the cause, an
// [store.ErrBroken], and only a restart of the process helps. What became of
// the commits under way is then unknown.
type DB struct {
	dir       string
	disk      vfs.FS
	pebble    *pebble.DB
	lock      io.Closer
	numbering numbering
	witness   *witness
	names     names // none in a file system of another kind
	cut       Cut
	space     space
	*breaker

	reclaimer *reclaimer
	onDisk    bool // in a folder of the real file system

	backingUp sync.Mutex // held while a backup is made

	making  sync.Mutex // held while a hub is looked up and made or deleted; guards lastHub
	lastHub uint16     // highest number of a hub there ever was

	mu     sync.Mutex // guards all below
	closed bool
	users  sync.WaitGroup  // calls under way; Close waits for them
	hubs   map[string]*Hub // by name in lower case
}

// Open opens the store in the folder dir, and creates it with mode 0700 if it
// is not there. A folder that is open elsewhere gives a [*store.LockedError].
// An error leaves the folder's data as it was.
func Open(dir string, opts Options) (*DB, error) {
	log := cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	disk := opts.FS
	if disk == nil {
		disk = privateDisk{vfs.Default}
	}
	prepare := createFolder
	if opts.ReadOnly {
		prepare = findFolder
	}
	if err := prepare(disk, dir); err != nil {
		return nil, err
	}
	if opts.FS == nil {
		if err := checkOwner(dir, log); err != nil {
			return nil, err
		}
	}
	lock, err := lockOn(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	db := &DB{dir: dir, disk: disk, lock: lock, breaker: newBreaker(log.With("dir", dir)), hubs: make(map[string]*Hub)}
	db.reclaimer, db.onDisk = newReclaimer(db), opts.FS == nil
	db.space.min, db.space.free = cmp.Or(opts.MinFreeBytes, 64<<20), opts.FreeBytes
	if db.space.free == nil {
		db.space.free = func() (uint64, error) {
			usage, err := disk.GetDiskUsage(dir)
			return usage.AvailBytes, err
		}
	}
	pebbleOptions := db.pebbleOptions(disk, cmp.Or(opts.CacheBytes, 64<<20))
	pebbleOptions.MaxOpenFiles = opts.OpenFiles
	pebbleOptions.ReadOnly = opts.ReadOnly
	if opts.FillLogs || opts.FS == nil && fillsAhead(dir) {
		pebbleOptions.FS = filledLogs{pebbleOptions.FS}
	}
	if err := db.open(disk, pebbleOptions); err != nil {
		err = refused(dir, err)
		if db.err() == nil { // else Pebble may still write
			err = errors.Join(err, lock.Close())
		}
		return nil, err
	}
	if db.onDisk {
		go db.names.watch(db.fail) // until Close, which waits for it
	}
	return db, nil
}

// lockOn locks the folder. A file system other than the real one has locks of
// its own, that say nothing of the holder.
func lockOn(disk vfs.FS, dir string) (io.Closer, error) {
	if disk == nil {
		return lockFolder(dir)
	}
	lock, err := disk.Lock(disk.PathJoin(dir, lockName))
	if err != nil {
		return nil, &store.LockedError{Dir: dir}
	}
	return lock, nil
}

// memTableBytes is the size of a memtable. Mostly there are two: one that is
// written to, and one that is being flushed or waits to be used again.
const memTableBytes = 64 << 20

func (db *DB) pebbleOptions(disk vfs.FS, cacheBytes int64) *pebble.Options {
	opts := &pebble.Options{
		FS:                 checkedBlocks{manifestFirst{disk}},
		Logger:             db.breaker,
		EventListener:      db.listener(),
		FormatMajorVersion: pebble.FormatTableFormatV6,   // part of FormatVersion: never lower it
		CacheSize:          cacheBytes + 2*memTableBytes, // Pebble takes the memtables' memory out of it
		MemTableSize:       memTableBytes,
		// Writes wait when so many memtables, or level-0 layers, wait for the
		// disk.
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               256 << 20,
		// A second compaction runs while one by hand keeps the layers of level
		// 0 waiting.
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
	}
	opts.Experimental.CompactionScheduler = newScheduler()
	for i := range opts.Levels {
		// Finding an id that does not exist is what many starts do: the filters
		// spare a look into most levels.
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		// One index block a table, that stays in memory: in two levels of them
		// each seek of a list would read two.
		opts.Levels[i].IndexBlockSize = 256 << 10
		// Keys are short of what repeats already, and payloads are small.
		opts.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	opts.Levels[len(opts.Levels)-1].FilterPolicy = pebble.NoFilterPolicy // Pebble does not ask it
	return opts
}

// Close waits for the calls under way, though not for ever, closes the folder
// and lets go of its lock. The DB and its hubs return [ErrClosed] from then on.
// A broken DB keeps the lock until the process ends, since Pebble may still be
// writing. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if !db.idle() {
		return fmt.Errorf("store folder %s: calls that do not end are under way; it stays open, and locked, until the process ends", db.dir)
	}
	db.reclaimer.close()
	if closed {
		return nil
	}
	db.names.close()
	if err := db.err(); err != nil {
		return err
	}
	if err := db.do(db.closePebble); err != nil {
		return fmt.Errorf("close store folder %s: %w", db.dir, err)
	}
	return errors.Join(db.witness.close(), db.lock.Close())
}

// callGrace is how long Close waits for calls under way. One that reads a
// history for code that does not come back never ends.
const callGrace = 2 * time.Second

// idle waits until no call is under way, and reports whether that is so.
func (db *DB) idle() bool {
	idle := make(chan struct{})
	go func() { // ends with the calls, or with the process
		db.users.Wait()
		close(idle)
	}()
	timer := time.NewTimer(callGrace)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// What only the log has is moved into tables by Close and Backup, if it is more
// than smallLog and takes no longer than flushGrace: a full disk may never take
// it.
const (
	smallLog   = 1 << 20
	flushGrace = 5 * time.Second
)

// closePebble flushes before it closes: the next Open would spend a second on a
// log of 20 MiB.
func (db *DB) closePebble() error {
	db.flushLog()
	return db.pebble.Close()
}

// flushLog moves what only the log has into tables, if it can. It is called in
// do.
func (db *DB) flushLog() {
	if db.pebble.Metrics().WAL.Size <= smallLog {
		return
	}
	if flushed, err := db.pebble.AsyncFlush(); err == nil {
		select {
		case <-flushed:
		case <-time.After(flushGrace):
		}
	}
}

// enter begins a call, unless the DB is closed or broken. Each ends with leave.
func (db *DB) enter() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return ErrClosed
	}
	if err := db.err(); err != nil {
		return err
	}
	db.users.Add(1)
	return nil
}

func (db *DB) leave() { db.users.Done() }

// apply makes a batch durable, if there is space for it. It is called between
// enter and leave.
func (db *DB) apply(batch *pebble.Batch) error {
	if err := db.space.take(batch.Len()); err != nil {
		return err
	}
	return db.write(batch)
}

// write is apply without a look at the space that there is.
func (db *DB) write(batch *pebble.Batch) error {
	return db.do(func() error {
		number, err := db.append(batch)
		if err != nil {
			return err
		}
		return db.settle(batch, number)
	})
}

// submit puts a batch behind all that were written before it. It is durable,
// and may be used again, after await.
func (db *DB) submit(batch *pebble.Batch) (number uint64, err error) {
	err = db.do(func() (err error) {
		number, err = db.append(batch)
		return err
	})
	return number, err
}

func (db *DB) await(batch *pebble.Batch, number uint64) error {
	return db.do(func() error { return db.settle(batch, number) })
}
