package embedded

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// notLeftError says that there is nothing to be opened, though an operator
// accepts the loss.
type notLeftError struct{ error }

func (e notLeftError) Unwrap() error { return e.error }

// openAccepted opens what is left of a damaged store, because an operator said
// so by a file that holds for one time. What is left is all commits up to the
// first that is missing: the store as it was at some moment. id is 0 if FORMAT
// does not say it.
func (db *DB) openAccepted(disk vfs.FS, opts *pebble.Options, id storeID) error {
	db.numbering.id = id
	opts.ErrorIfNotExists = true
	err := db.do(func() error { return db.cutLogs(disk) })
	if err == nil {
		err = db.openPebble(disk, opts, db.accept)
	}
	if err != nil {
		return notLeftError{err}
	}
	return nil
}

// cutLogs takes away what the logs have from the first commit on that cannot be
// read or does not follow the one before.
func (db *DB) cutLogs(disk vfs.FS) error {
	before, last, err := db.lastInTables(disk)
	if err != nil {
		return err
	}
	logs, err := wal.Scan(wal.Dir{FS: disk, Dirname: disk.PathJoin(db.dir, dataFolder)})
	if err != nil {
		return err
	}
	useless := false // whether all that follows is
	for _, log := range logs {
		end := int64(0)
		if !useless {
			if last, end, err = db.follow(log, before, last); err != nil {
				if end < 0 {
					return err
				}
				useless = true
			}
		}
		if end >= 0 {
			db.log.Warn("leaving out what a log of a damaged store has from an offset on", "log", log.Num.String(), "offset", end, "lastCommit", last, "error", err)
			if err := cutLog(log, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutLog takes away what a log has from an offset on.
func cutLog(log wal.LogicalLog, end int64) error {
	disk, path := log.SegmentLocation(log.NumSegments() - 1)
	if end == 0 {
		return disk.Remove(path)
	}
	file, err := disk.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, end))
	if err != nil {
		return err
	}
	return writeWhole(disk, disk.PathDir(path), disk.PathBase(path), string(content))
}

// accept goes on with what Pebble has.
func (db *DB) accept(disk vfs.FS, id storeID, last uint64) error {
	if last == 0 {
		return fmt.Errorf("its folder %s holds nothing of it", dataFolder)
	}
	known, err := readWitness(disk, db.dir, id)
	db.log.Warn("opening what is left of a damaged store", "lastCommit", last, "lastCommitKnown", known, "witness", err)
	db.numbering.id = id
	return errors.Join(
		writeWhole(disk, db.dir, formatFile, formatText(id)),
		db.renew(disk, last),
		disk.Remove(disk.PathJoin(db.dir, acceptFile)),
		syncDir(disk, db.dir),
	)
}
