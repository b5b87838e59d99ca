package embedded

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// largeBlock is the size from which blocks of tables are compared with their
// checksums here, before Pebble does so. What Pebble reads besides blocks is
// smaller.
const largeBlock = 16 << 10

// checkedBlocks is a file system that refuses to read a large block of a table
// that is damaged. Pebble finds the damage too, but then flips bit after bit,
// each time with a checksum over the whole block, so that its message can name
// the one that was flipped. That takes half a minute for a value of 1 MiB, and
// an hour for one of 100 MiB, at each read.
type checkedBlocks struct{ vfs.FS }

func (c checkedBlocks) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := c.FS.Open(name, opts...)
	if err != nil || !strings.HasSuffix(name, ".sst") {
		return file, err
	}
	return checkedTable{file, c.PathBase(name)}, nil
}

func (c checkedBlocks) Unwrap() vfs.FS { return c.FS }

// checkedTable is a table that Pebble reads block by block. A block ends with
// the checksum, u32, of all before.
type checkedTable struct {
	vfs.File
	name string
}

func (t checkedTable) ReadAt(block []byte, offset int64) (int, error) {
	n, err := t.File.ReadAt(block, offset)
	if err != nil || n < largeBlock {
		return n, err
	}
	sum := n - 4
	if chunkSum(block[:sum]) != binary.LittleEndian.Uint32(block[sum:n]) {
		return n, fmt.Errorf("%w: file %s: the %d bytes at %d do not fit their checksum", pebble.ErrCorruption, t.name, n, offset)
	}
	return n, nil
}
