package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// verify makes sure, before Pebble may change or remove anything, that the
// folder holds all commits that the witness knows of, and finds the last one.
//
// Pebble takes the first record of a manifest that it cannot read for the end
// of it, and goes on with an older set of tables. That would be as good as the
// newest as long as all logs since are there: so commits must follow each other
// without a gap, from the one that the tables end with through the logs to the
// last.
func (db *DB) verify(disk vfs.FS) error {
	known, err := readWitness(disk, db.dir, db.numbering.id)
	if err != nil {
		return err
	}
	if err := checkManifest(disk, disk.PathJoin(db.dir, dataFolder)); err != nil {
		return err
	}
	before, inTables, err := db.lastInTables(disk)
	if err != nil {
		return err
	}
	last, err := db.lastInLogs(disk, before, inTables)
	if err != nil {
		return err
	}
	switch {
	case last == 0:
		return fmt.Errorf("its folder %s holds nothing of it", dataFolder)
	case last == inTables && before != db.numbering.id:
		return fmt.Errorf("its folder %s belongs to store %s, not to %s", dataFolder, before, db.numbering.id)
	case last < known:
		return fmt.Errorf("its last %d commits are missing: its folder %s ends with commit %d, its file %s knows of %d", known-last, dataFolder, last, witnessFile, known)
	}
	db.numbering.last = last
	return nil
}

// lastInTables returns the last commit in the tables that the manifest names,
// and whose it is: a restored store begins with what another one had.
func (db *DB) lastInTables(disk vfs.FS) (id storeID, last uint64, err error) {
	opts := db.pebbleOptions(withoutLogs{disk}, 1<<20)
	opts.ReadOnly, opts.MemTableSize, opts.CacheSize = true, 256<<10, 1<<20
	tables, err := pebble.Open(disk.PathJoin(db.dir, dataFolder), opts)
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		return 0, 0, fmt.Errorf("its folder %s holds no store any more", dataFolder)
	}
	if err != nil {
		return 0, 0, err
	}
	id, last, err = readNumber(tables)
	if err == nil {
		err = readable(tables)
	}
	return id, last, errors.Join(err, tables.Close())
}

// readable reads what every open needs, so that damage to it is met before
// anything is changed: the hubs, their epochs, their counts and what these are
// compared with.
func readable(r pebble.Reader) error {
	prefixes := []key{newKey(0, spaceHubs)}
	for i := 0; i < len(prefixes); i++ {
		it, err := r.NewIter(prefixes[i].prefix())
		if err != nil {
			return err
		}
		next := it.Next
		if prefixes[i][2] == spaceStatuses { // one of each is looked at
			next = func() bool { return it.SeekGE(key(it.Key()[:4]).next()) }
		}
		for ok := it.First(); ok; ok = next() {
			if _, err := it.ValueAndErr(); err != nil {
				return errors.Join(err, it.Close())
			}
			if last := fixed(it.Key()); i == 0 {
				hub := last.uint16()
				prefixes = append(prefixes, newKey(hub, spaceEpochs), newKey(hub, spaceCounts), newKey(hub, spaceStatuses))
			}
		}
		if err := it.Close(); err != nil {
			return err
		}
	}
	return nil
}

// withoutLogs is a file system that has no logs.
type withoutLogs struct{ vfs.FS }

func (w withoutLogs) List(dir string) ([]string, error) {
	names, err := w.FS.List(dir)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".log") }), err
}

func (w withoutLogs) Unwrap() vfs.FS { return w.FS }

// lastInLogs returns the number of the last commit in the logs, which must go
// on where the tables end.
func (db *DB) lastInLogs(disk vfs.FS, before storeID, last uint64) (uint64, error) {
	logs, err := wal.Scan(wal.Dir{FS: disk, Dirname: disk.PathJoin(db.dir, dataFolder)})
	if err != nil {
		return 0, err
	}
	for i, log := range logs {
		var end int64
		if last, end, err = db.follow(log, before, last); err != nil {
			return 0, fmt.Errorf("its log %s/%s.log: %w", dataFolder, log.Num, err)
		}
		if i == len(logs)-1 && end >= 0 {
			if db.cut, err = cutOf(log, end); err != nil {
				return 0, fmt.Errorf("its log %s/%s.log: %w", dataFolder, log.Num, err)
			}
		}
	}
	return last, nil
}

// follow reads a log as far as Pebble will, and returns the number of its last
// commit, or last if that is higher, and the offset from which on it is of no
// use, -1 if there is none. A log that is of no use any more, and so may end
// anyhow, has no commit after last.
func (db *DB) follow(log wal.LogicalLog, before storeID, last uint64) (_ uint64, end int64, _ error) {
	records := log.OpenForRead()
	defer records.Close() // it was only read
	var batch bytes.Buffer
	for {
		reader, offset, err := records.NextRecord()
		if err == nil {
			batch.Reset()
			_, err = io.Copy(&batch, reader)
		}
		switch {
		case errors.Is(err, io.EOF):
			return last, -1, nil
		case errors.Is(err, record.ErrUnexpectedEOF), errors.Is(err, record.ErrInvalidChunk), errors.Is(err, record.ErrZeroedChunk):
			return last, offset.Physical, nil // Pebble refuses it if that may not be
		case err != nil:
			return last, -1, err
		}
		id, number, err := numberOf(batch.Bytes())
		if db.numbering.id == 0 && number == last+1 { // accept does not know whose it is
			db.numbering.id = id
		}
		switch {
		case err != nil:
			return last, offset.Physical, err
		case id != db.numbering.id && (id != before || number > last):
			return last, offset.Physical, fmt.Errorf("it belongs to store %s, not to %s", id, db.numbering.id)
		case number > last+1:
			return last, offset.Physical, fmt.Errorf("it goes on with commit %d, but commits %d to %d are missing", number, last+1, number-1)
		case number == last+1:
			last = number
		}
	}
}
