package embedded

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// open opens what the folder holds, which is locked. A folder that has been a
// store is opened as that store or not at all; only one that has never been one
// begins anew.
func (db *DB) open(disk vfs.FS, opts *pebble.Options) error {
	accepted, err := isThere(disk, disk.PathJoin(db.dir, acceptFile))
	if err != nil {
		return err
	}
	id, err := readFormat(disk, db.dir, formatFile)
	switch {
	case errors.As(err, new(formatError)):
		return err
	case opts.ReadOnly && err != nil:
		return err
	case accepted && !opts.ReadOnly:
		return db.openAccepted(disk, opts, id)
	case errors.Is(err, fs.ErrNotExist):
		if db.numbering.id, err = claimFolder(disk, db.dir); err != nil {
			return err
		}
		return db.openPebble(disk, opts, db.create)
	case err != nil:
		return err
	}
	db.numbering.id = id
	if err := db.do(func() error { return db.verify(disk) }); err != nil {
		return err
	}
	opts.ErrorIfNotExists = true
	begin := db.resume
	if opts.ReadOnly {
		begin = db.compare
	}
	return db.openPebble(disk, opts, begin)
}

// openPebble opens Pebble and then calls begin with what it says of itself.
func (db *DB) openPebble(disk vfs.FS, opts *pebble.Options, begin func(disk vfs.FS, id storeID, last uint64) error) error {
	err := db.do(func() (err error) {
		db.pebble, err = pebble.Open(disk.PathJoin(db.dir, dataFolder), opts)
		return err
	})
	if err != nil {
		return err
	}
	err = db.loadHubs()
	if err == nil {
		var id storeID
		var last uint64
		if id, last, err = readNumber(db.pebble); err == nil {
			err = begin(disk, id, last)
		}
	}
	if err == nil && db.onDisk {
		db.names, err = readNames(db.dir)
	}
	if err != nil && db.err() == nil {
		err = errors.Join(err, db.witness.close(), db.pebble.Close())
	}
	return err
}

// create makes a new store. FORMAT, which says that there is one, comes last:
// an attempt that ends before is made good by the next one.
func (db *DB) create(disk vfs.FS, _ storeID, last uint64) error {
	if len(db.hubs) > 0 {
		return fmt.Errorf("its file %s is missing", formatFile)
	}
	if err := db.renew(disk, last); err != nil {
		return err
	}
	return errors.Join(db.write(db.pebble.NewBatch()), publish(disk, db.dir, formatFile))
}

// compare makes sure that Pebble has what was verified.
func (db *DB) compare(_ vfs.FS, id storeID, last uint64) error {
	if id != db.numbering.id || last != db.numbering.last {
		return fmt.Errorf("its last commit is %d of store %s, and not %d of store %s as its logs have it", last, id, db.numbering.last, db.numbering.id)
	}
	return nil
}

// resume goes on with a store that has been verified.
func (db *DB) resume(disk vfs.FS, id storeID, last uint64) (err error) {
	if err := db.compare(disk, id, last); err != nil {
		return err
	}
	for _, h := range db.hubs {
		if err := h.checkCounts(); err != nil {
			return fmt.Errorf("its hub %q is damaged: %w", h.name, err)
		}
	}
	if err := removeCheckpoint(disk, db.dir); err != nil {
		return err
	}
	if cut, ok := db.Cut(); ok {
		db.log.Warn("the end of the newest log cannot be read and is left out: a crash leaves that of commits that nobody was told of",
			"log", cut.Log, "offset", cut.Offset, "bytes", cut.Bytes, "commitsAtLeast", cut.Commits, "lastCommit", last)
	}
	db.witness, err = openWitness(disk, db.dir, last, db.fail)
	return err
}

// renew begins a new witness.
func (db *DB) renew(disk vfs.FS, last uint64) (err error) {
	db.numbering.last = last
	if err := writeWitness(disk, db.dir, db.numbering.id, last); err != nil {
		return err
	}
	db.witness, err = openWitness(disk, db.dir, last, db.fail)
	return err
}
