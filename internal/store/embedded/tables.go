package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/perdure/perdure/internal/history"
)

// verifyTables reads every block of every table once, and so compares it with
// its checksum: also what no row that is valid now lies in.
func (db *DB) verifyTables(step func() error, tell func(history.Disagreement)) error {
	levels, err := db.pebble.SSTables()
	if err != nil {
		return err
	}
	read := make(map[string]bool) // several tables may lie in one file
	for level, tables := range levels {
		for _, table := range tables {
			name := table.BackingSSTNum.String() + ".sst"
			if read[name] {
				continue
			}
			read[name] = true
			if err := step(); err != nil {
				return err
			}
			err := db.verifyTable(name)
			if err == nil || errors.Is(err, fs.ErrNotExist) && !db.hasTable(name) { // it was compacted meanwhile
				continue
			}
			tell(history.Disagreement{
				Rule: "table", Rows: fmt.Sprintf("file data/%s, of level %d", name, level), Says: err.Error(),
				Do: "restore a backup; check the disk",
			})
		}
	}
	return nil
}

func (db *DB) verifyTable(name string) (err error) {
	file, err := checkedBlocks{db.disk}.Open(db.disk.PathJoin(db.dir, dataFolder, name))
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	table, err := sstable.NewReader(context.Background(), readable, sstable.ReaderOptions{})
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(table.ValidateBlockChecksums(), table.Close())
}

// hasTable reports whether a table is, by now, still one of the store.
func (db *DB) hasTable(name string) bool {
	levels, err := db.pebble.SSTables()
	for _, tables := range levels {
		for _, table := range tables {
			if table.BackingSSTNum.String()+".sst" == name {
				return true
			}
		}
	}
	return err != nil
}
