//go:build unix

package embedded

import (
	"sync/atomic"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// mapped is a file's beginning as memory.
type mapped []byte

// mapFile maps size bytes of a file; none if the file is on no real disk.
func mapFile(file vfs.File, size int) (mapped, error) {
	if file.Fd() == vfs.InvalidFd {
		return nil, nil
	}
	return unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// word returns the eight bytes at an offset that eight divides.
func (m mapped) word(at int) *atomic.Uint64 {
	if m == nil {
		return nil
	}
	return (*atomic.Uint64)(unsafe.Pointer(&m[at]))
}

func (m mapped) sync() error { return unix.Msync(m, unix.MS_SYNC) }

func (m mapped) unmap() error {
	if m == nil {
		return nil
	}
	return unix.Munmap(m)
}
