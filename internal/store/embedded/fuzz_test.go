package embedded

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// holding is a disk with one file, and a folder "data".
func holding(t *testing.T, name string, content []byte) vfs.FS {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll(dataFolder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = file.Write(append([]byte(nil), content...)) // under the race detector it spoils what it is given
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// FORMAT and witness are as they were written, to the byte, or damaged.
func FuzzFormat(f *testing.F) {
	f.Add(formatText(7))
	f.Add("perdure store format 3\n")
	f.Add("perdure store format 2\nid 7\nsum 00000000\n")
	f.Fuzz(func(t *testing.T, content string) {
		if id, err := readFormat(holding(t, formatFile, []byte(content)), "", formatFile); err == nil && content != formatText(id) {
			t.Errorf("%q is read as the FORMAT of store %s", content, id)
		}
	})
}

func FuzzWitness(f *testing.F) {
	good := binary.LittleEndian.AppendUint64([]byte(witnessTitle), 7)
	f.Add(binary.LittleEndian.AppendUint64(good, seal(12)))
	f.Add(append(good, "12345678"...))
	f.Add(good)
	f.Fuzz(func(t *testing.T, content []byte) {
		number, err := readWitness(holding(t, witnessFile, content), "", 7)
		if want := binary.LittleEndian.AppendUint64(good[:len(good):len(good)], seal(number)); err == nil && string(content) != string(want) {
			t.Errorf("%q is read as a witness of commit %d", content, number)
		}
	})
}

// A manifest that is cut is no damage; a byte of a record that is another one is not overlooked while
// a record follows.
func FuzzManifest(f *testing.F) {
	source := filepath.Join(f.TempDir(), "store")
	hub, _ := openHub(f, source, Options{})
	if err := hub.db.pebble.Flush(); err != nil { // which the manifest notes
		f.Fatal(err)
	}
	name, err := atomicfs.ReadMarker(vfs.Default, filepath.Join(source, dataFolder), "manifest")
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(source, dataFolder, name))
	if err != nil {
		f.Fatal(err)
	}
	check := func(t *testing.T, content []byte) error {
		disk := holding(t, filepath.Join(dataFolder, "MANIFEST-000001"), content)
		marker, _, err := atomicfs.LocateMarker(disk, dataFolder, "manifest")
		if err == nil {
			err = marker.Move("MANIFEST-000001")
		}
		if err != nil {
			t.Fatal(err)
		}
		return checkManifest(disk, dataFolder)
	}
	length, _, ok := manifestChunk(whole) // the first chunk, behind which there are more
	if !ok || length == len(whole) {
		f.Fatalf("manifest of %d bytes, its first chunk has %d", len(whole), length)
	}
	f.Add(whole, uint16(len(whole)), uint16(10), byte(0x40))
	f.Add([]byte("\x00\x00\x00\x00\x05\x00\x02abcde"), uint16(12), uint16(0), byte(1))
	f.Fuzz(func(t *testing.T, content []byte, end, at uint16, flip byte) {
		check(t, content) // must end
		if err := check(t, whole[:int(end)%(len(whole)+1)]); err != nil {
			t.Errorf("cut to %d of %d bytes: %v", int(end)%(len(whole)+1), len(whole), err)
		}
		damaged := append([]byte(nil), whole...)
		// without a length or a kind nobody can tell what follows; verify then misses commits
		if at := int(at) % length; flip != 0 && (at < 4 || at > 6) {
			damaged[at] ^= flip
			if check(t, damaged) == nil {
				t.Errorf("byte %d, %#x, is overlooked", at, flip)
			}
		}
	})
}

// What is left out of a log is inside of it, and sound chunks are found as they were written.
func FuzzCut(f *testing.F) {
	chunk := func(kind byte, text string) []byte {
		c := binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(len(text)))
		c = binary.LittleEndian.AppendUint64(append(binary.LittleEndian.AppendUint32(append(c, kind), 3), make([]byte, 0)...), 0)
		c = append(c, text...)
		binary.LittleEndian.PutUint32(c, chunkSum(c[6:]))
		return c
	}
	f.Add(append(chunk(typeOfFull, "one"), chunk(typeOfFirst, "two")...), uint32(0))
	f.Add(append(chunk(typeOfFull, "one"), "torn"...), uint32(22))
	f.Add(make([]byte, 3*blockBytes), uint32(blockBytes-3))
	f.Fuzz(func(t *testing.T, content []byte, from uint32) {
		logs, err := wal.Scan(wal.Dir{FS: holding(t, filepath.Join(dataFolder, "000003.log"), content), Dirname: dataFolder})
		if err != nil || len(logs) != 1 {
			t.Fatalf("Scan = %v, %v", logs, err)
		}
		offset := int64(from) % int64(len(content)+1)
		if c, err := cutOf(logs[0], offset); err == nil && (c.Bytes < 0 || c.Commits < 0 || c.Offset+c.Bytes > int64(len(content))) {
			t.Errorf("cut of %d bytes from %d on: %+v", len(content), offset, c)
		}
		if n := soundChunk(content, 3); n > 0 && n < len(content) && string(chunk(content[6], string(content[headerBytes:n]))[6:11]) != string(content[6:11]) {
			t.Errorf("%x is taken for a chunk of %d bytes", content, n)
		}
		numberOf(content) // must not panic
	})
}

// Whatever rows a hub holds, reading them ends with rows or with an error.
func FuzzRows(f *testing.F) {
	hub, _ := openHub(f, "store", Options{FS: vfs.NewMem()})
	for _, space := range []byte{spaceRows, spaceBig, spaceRecords, spaceInbox, spaceTimers, spaceWork, spaceCounts, spaceIDs, spaceStatuses, spaceEpochs, spaceMemo} {
		f.Add(space, []byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"), []byte{inline, 1})
		f.Add(space, []byte("\x00\x00\x00\x00\x00\x00\x00\x01"), []byte("\x00\x00\x00\x00\x00\x00\x00\x01"))
		f.Add(space, []byte{0, 0}, []byte{apart})
		f.Add(space, []byte{}, []byte{})
	}
	f.Fuzz(func(t *testing.T, space byte, rest, value []byte) {
		k := append(newKey(hub.id, space), rest...)
		if err := hub.db.pebble.Set(k, value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		for range hub.Inbox(ctx, 0) {
		}
		for range hub.Working(ctx, 0) {
		}
		hub.Timers(ctx, 0, store.Timer{}, time.Now(), 10)
		if n, err := hub.LastNumber(ctx); err == nil {
			for range hub.Records(ctx, n) {
			}
			hub.LastRecord(ctx, n)
		}
		hub.ListInstances(ctx, history.Query{})
		hub.FindInstance(ctx, "x")
		hub.readCounts(hub.db.pebble)
		hub.loadEpochs()
		if err := hub.db.pebble.Delete(k, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	})
}
