//go:build unix

package embedded

import (
	"encoding/binary"
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/perdure/perdure/internal/private"
)

// mapNotes maps n words of the file at path, and returns what it held before.
// The words are in the order of the machine: no other reads them.
func mapNotes(path string, n int) (words []atomic.Uint64, before []uint64, err error) {
	flags := os.O_RDWR | os.O_CREATE
	if n == 0 {
		flags = os.O_RDONLY
	}
	file, err := private.Open(path, flags)
	if os.IsNotExist(err) && n == 0 {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // the mapping does without it
	held, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, err
	}
	for at := 0; at+8 <= len(held); at += 8 {
		before = append(before, binary.NativeEndian.Uint64(held[at:]))
	}
	if n == 0 {
		return nil, before, nil
	}
	// A file with holes would end the process when the disk is full as a hole
	// is written.
	if _, err := file.WriteAt(append(held, make([]byte, max(0, 8*n-len(held)))...)[:8*n], 0); err != nil {
		return nil, nil, err
	}
	if err := file.Truncate(int64(8 * n)); err != nil {
		return nil, nil, err
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, 8*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&memory[0])), n), before, nil
}
