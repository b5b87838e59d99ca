package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
)

// privateDisk is the real file system on which what is made is nobody else's,
// whatever the umask.
type privateDisk struct{ vfs.FS }

func (d privateDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := d.FS.Create(name, category)
	if err != nil {
		return nil, noDescriptors(err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (d privateDisk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := d.FS.Open(name, opts...)
	return file, noDescriptors(err)
}

func (d privateDisk) Lock(name string) (io.Closer, error) {
	lock, err := d.FS.Lock(name)
	if err != nil {
		return nil, noDescriptors(err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (d privateDisk) MkdirAll(dir string, perm fs.FileMode) error {
	return d.FS.MkdirAll(dir, perm&0o700)
}

func (d privateDisk) Unwrap() vfs.FS { return d.FS }

// noDescriptors says of an error that is over once other files are closed that
// it is, and names no file.
func noDescriptors(err error) error {
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: files and connections are open as many as the system allows, try again, or raise its limit: %w", history.ErrUnavailable, cause)
		}
	}
	return err
}

// manifestFirst is a file system on which the name of a new manifest is durable
// before Pebble's marker points to it. Pebble syncs the file and then the
// folder that has both names; a disk may keep the later name and lose the
// earlier one when power fails in between, and the store could not be opened
// again.
type manifestFirst struct{ vfs.FS }

func (m manifestFirst) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := m.FS.Create(name, category)
	if err != nil || !strings.HasPrefix(m.PathBase(name), "MANIFEST-") {
		return file, err
	}
	if err := syncDir(m.FS, m.PathDir(name)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (m manifestFirst) Unwrap() vfs.FS { return m.FS }
