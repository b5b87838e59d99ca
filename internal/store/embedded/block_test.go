package embedded

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// TestDamageInALargeValueIsFoundAtOnce reads a record of which a bit was flipped. The message is
// that of the comparison here: Pebble's search for the bit, with its own message, takes two minutes.
func TestDamageInALargeValueIsFoundAtOnce(t *testing.T) {
	hub, owner, row := newCheckedHub(t)
	db := hub.db
	p := history.PartitionOf(row.ID, 4)
	var values [][]byte
	for i, letter := range []string{"a", "b"} {
		value := bytes.Repeat([]byte(letter), 4<<20)
		values = append(values, value)
		err := owner.Commit(t.Context(), 0, []*store.Delta{{
			Partition: p, Number: row.Number, ID: row.ID, Record: &store.Record{Seq: uint32(i + 2), Bytes: value},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	name, at := tableWith(t, db, values[1])
	flip(t, db, name, at+1<<20)
	var read int
	var damage error
	for rec, err := range hub.Records(t.Context(), row.Number) {
		if damage = err; err != nil {
			break
		}
		if read++; read > 1 && !bytes.Equal(rec.Bytes, values[read-2]) {
			t.Errorf("record %d is not what was written", rec.Seq)
		}
	}
	if read != 2 || !errors.Is(damage, pebble.ErrCorruption) || !strings.Contains(damage.Error(), "file "+name+": the ") {
		t.Errorf("Records = %d records and error %v, want 2 and a corruption that names %s and where", read, damage, name)
	}
	found := checkHub(t, hub)
	if !slices.ContainsFunc(found, func(d history.Disagreement) bool {
		return d.Rule == "table" && strings.Contains(d.Rows, name) && strings.Contains(d.Says, "file "+name+": the ")
	}) {
		t.Errorf("found %+v, want table %s", found, name)
	}
}

// tableWith returns the name of a table of db that holds value, and where.
func tableWith(t *testing.T, db *DB, value []byte) (name string, at int64) {
	t.Helper()
	data := db.disk.PathJoin(db.dir, dataFolder)
	names, err := db.disk.List(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !isTable(name) {
			continue
		}
		file, err := db.disk.Open(db.disk.PathJoin(data, name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(content, value); at >= 0 {
			return name, int64(at)
		}
	}
	t.Fatalf("no table among %q holds the %d bytes", names, len(value))
	return "", 0
}

// flip flips a bit of the byte at an offset of a table.
func flip(t *testing.T, db *DB, name string, at int64) {
	t.Helper()
	file, err := db.disk.OpenReadWrite(db.disk.PathJoin(db.dir, dataFolder, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{b[0] ^ 1}, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
