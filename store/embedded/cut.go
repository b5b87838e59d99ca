package embedded

import (
	"encoding/binary"
	"io"

	"github.com/cockroachdb/pebble/v2/wal"
)

// Cut is the end of the newest log that could not be read when the store was
// opened, and was left out. That is what a crash leaves of commits under way, which
// nobody was told of; all commits that the witness knows of are there.
type Cut struct {
	Log     string // its path below the store's folder
	Offset  int64  // from where
	Bytes   int64
	Commits int // at least so many
}

// Cut returns what was left out when the DB was opened; false for nothing.
func (db *DB) Cut() (Cut, bool) { return db.cut, db.cut.Bytes > 0 }

// How Pebble divides a log: into blocks, and these into chunks, each with a header
//
//	checksum u32 | length u16 | type u8 | number of the log u32 | synced up to u64
//
// A record is one chunk, or a first one, some in the middle and a last one.
const (
	blockBytes  = 32 << 10
	headerBytes = 19
	typeOfFull  = 9
	typeOfFirst = 10
	typeOfLast  = 12
)

// cutOf looks at what a log has behind an offset: chunks of its own, not those of the
// log whose file it uses again.
func cutOf(log wal.LogicalLog, offset int64) (c Cut, err error) {
	disk, path := log.SegmentLocation(log.NumSegments() - 1)
	file, err := disk.Open(path)
	if err != nil {
		return Cut{}, err
	}
	defer file.Close() // it was only read
	c = Cut{Log: disk.PathJoin(dataFolder, disk.PathBase(path)), Offset: offset}
	end := offset
	for at := offset; ; {
		block := make([]byte, blockBytes-at%blockBytes)
		n, err := file.ReadAt(block, at)
		if err != nil && err != io.EOF {
			return Cut{}, err
		}
		if n == 0 {
			c.Bytes = end - offset
			return c, nil
		}
		length, commits := chunksOf(block[:n], uint32(log.Num))
		if length > 0 {
			end = at + int64(length)
		}
		c.Commits += commits
		at += int64(n)
	}
}

// chunksOf returns how long the chunks of a log are that a block begins with, by what
// their headers say, and how many commits begin in them.
func chunksOf(block []byte, log uint32) (length, commits int) {
	for len(block)-length >= headerBytes {
		header := block[length:]
		kind := header[6]
		if kind < typeOfFull || kind > typeOfLast || binary.LittleEndian.Uint32(header[7:]) != log {
			break
		}
		if kind <= typeOfFirst {
			commits++
		}
		length = min(length+headerBytes+int(binary.LittleEndian.Uint16(header[4:])), len(block))
	}
	return length, commits
}
