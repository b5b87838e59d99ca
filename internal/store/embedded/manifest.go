package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// checkManifest refuses a manifest that has a record behind one that cannot be
// read. Pebble would end there, or leave one out. One that just ends early is
// what a crash may leave, or older: whether it will do is for verify to see.
func checkManifest(disk vfs.FS, dir string) error {
	name, err := atomicfs.ReadMarker(disk, dir, "manifest")
	if err != nil || name == "" {
		return err // and Pebble finds no store
	}
	file, err := disk.Open(disk.PathJoin(dir, name))
	if err != nil {
		return err
	}
	defer file.Close()   // it was only read
	var bad, inside bool // whether something could not be read; whether a record goes on
	for block := make([]byte, blockBytes); ; {
		n, err := io.ReadFull(file, block)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		for at := 0; n-at >= manifestHeader; { // what is less, at the end of a block, is no chunk
			length, kind, ok := manifestChunk(block[at:n])
			begins := kind == fullChunk || kind == firstChunk
			if ok && (bad && begins || !bad && begins == inside) {
				return fmt.Errorf("its file %s/%s is damaged: there is a record behind one that cannot be read", dataFolder, name)
			}
			if bad = bad || !ok; length == 0 {
				break
			}
			inside = kind == firstChunk || kind == middleChunk
			at += length
		}
	}
}

// A chunk of a manifest is: checksum u32 | length u16 | kind u8 | bytes. The
// checksum is of all from the kind on.
const (
	manifestHeader = 7
	fullChunk      = 1
	firstChunk     = 2
	middleChunk    = 3
	lastChunk      = 4
)

// manifestChunk returns the length and the kind of the chunk that block begins
// with, and whether it is as it was written. The length is 0 if it cannot be.
func manifestChunk(block []byte) (length int, kind byte, ok bool) {
	length, kind = manifestHeader+int(binary.LittleEndian.Uint16(block[4:])), block[6]
	if kind < fullChunk || kind > lastChunk || length > len(block) {
		return 0, 0, false
	}
	return length, kind, chunkSum(block[6:length]) == binary.LittleEndian.Uint32(block)
}

// chunkSum is the checksum of a chunk of a manifest or of a log, and of a block
// of a table.
func chunkSum(bytes []byte) uint32 {
	return bits.RotateLeft32(crc32.Checksum(bytes, castagnoli), 17) + 0xa282ead8
}
