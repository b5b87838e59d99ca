package embedded

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// manifestFirst is a file system on which the name of a new manifest is durable
// before Pebble's marker points to it. Pebble syncs the file and then the folder
// that has both names; a disk may keep the later name and lose the
// earlier one when power fails in between, and the store could not be opened again.
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
