package embedded

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/wal"
)

// Cut is the end of the newest log that could not be read when the store was
// opened, and was left out. That is what a crash leaves of commits under way,
// which nobody was told of; all commits that the witness knows of are there.
type Cut struct {
	Log     string // its path below the store's folder
	Offset  int64  // from where
	Bytes   int64
	Commits int // at least so many
}

// Cut returns what was left out when the DB was opened; false for nothing.
func (db *DB) Cut() (Cut, bool) { return db.cut, db.cut.Bytes > 0 }

// How Pebble divides a log: into blocks, and these into chunks, each with a
// header
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

// cutOf looks at what a log has behind an offset: chunks of its own, not those
// of the log whose file it uses again. A chunk that says that the log was
// synced behind the one that cannot be read tells damage from an end that a
// crash cut off. Pebble looks for such chunks in the blocks that follow only.
func cutOf(log wal.LogicalLog, offset int64) (c Cut, err error) {
	disk, path := log.SegmentLocation(log.NumSegments() - 1)
	file, err := disk.Open(path)
	if err != nil {
		return Cut{}, err
	}
	defer file.Close() // it was only read
	c = Cut{Log: disk.PathJoin(dataFolder, disk.PathBase(path)), Offset: offset}
	end, broken := offset, int64(-1) // where the first chunk is that cannot be read
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
		block = block[:n]
		rest := 0
		if broken < 0 {
			for length := soundChunk(block, uint32(log.Num)); length > 0; length = soundChunk(block[rest:], uint32(log.Num)) {
				rest += length
			}
			if len(block)-rest >= headerBytes {
				broken = at + int64(rest)
			}
		}
		if synced := syncedUpTo(block[rest:], uint32(log.Num)); broken >= 0 && synced > uint64(broken) {
			return Cut{}, fmt.Errorf("it is damaged at byte %d: it was whole up to byte %d at least, as what follows tells", broken, synced)
		}
		length, commits := chunksOf(block, uint32(log.Num))
		if length > 0 {
			end = at + int64(length)
		}
		c.Commits += commits
		at += int64(n)
	}
}

// soundChunk returns the length of the chunk of a log that bytes begin with, 0
// if it is not as it was written.
func soundChunk(bytes []byte, log uint32) int {
	if len(bytes) < headerBytes || bytes[6] < typeOfFull || bytes[6] > typeOfLast || binary.LittleEndian.Uint32(bytes[7:]) != log {
		return 0
	}
	length := headerBytes + int(binary.LittleEndian.Uint16(bytes[4:]))
	if length > len(bytes) || chunkSum(bytes[6:length]) != binary.LittleEndian.Uint32(bytes) {
		return 0
	}
	return length
}

// syncedUpTo returns the highest offset up to which sound chunks, anywhere in
// bytes, say that the log was synced when they were written.
func syncedUpTo(bytes []byte, log uint32) (offset uint64) {
	for at := 0; at < len(bytes); {
		length := soundChunk(bytes[at:], log)
		if length > 0 {
			offset = max(offset, binary.LittleEndian.Uint64(bytes[at+11:]))
		}
		at += max(length, 1)
	}
	return offset
}

// chunksOf returns how long the chunks of a log are that a block begins with,
// by what their headers say, and how many commits begin in them.
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
