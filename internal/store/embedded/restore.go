package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/backup"
)

// restoringFolder is where, in the folder that is to be a store, one is built.
const restoringFolder = "restoring"

// Restore makes dir the store that the backup in the folder from holds. dir
// must be empty or not be there. Every checksum is verified before anything is
// written, and again of what is written; then the store is opened, and finish
// is called with it and the folder that it is in until Restore is done. The
// file FORMAT comes last, so a restore that does not end, or fails, leaves
// nothing that would be opened.
func Restore(ctx context.Context, from, dir string, opts Options, finish func(folder string, db *DB, b *backup.Backup) error) (*backup.Backup, error) {
	disk := opts.FS
	if disk == nil {
		disk = vfs.Default
	}
	made, err := createRestored(disk, from, dir, opts.FS == nil)
	if err != nil {
		return nil, err
	}
	lock, err := lockOn(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	b, err := restore(ctx, disk, from, dir, opts, finish)
	if err != nil {
		disk.RemoveAll(disk.PathJoin(dir, restoringFolder)) // should it stay, the next one does that
	}
	err = errors.Join(err, lock.Close())
	if err != nil && made {
		disk.Remove(disk.PathJoin(dir, "lock"))
		disk.Remove(dir) // unless there is something in it
	}
	return b, err
}

// VerifyBackup reads all that the backup in dir holds and compares it with its
// checksums.
func VerifyBackup(ctx context.Context, dir string) (*backup.Backup, error) {
	return backup.Verify(ctx, vfs.Default, dir)
}

// createRestored makes dir, if it is not there, and refuses one that must not
// become a store.
func createRestored(disk vfs.FS, from, dir string, onDisk bool) (made bool, err error) {
	if _, err := backup.Read(disk, from); err != nil {
		return false, err // before a folder is made for nothing
	}
	names, err := disk.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		made = true
	case err != nil:
		return false, folderError(dir, err)
	case slices.Contains(names, formatFile):
		return false, fmt.Errorf("folder %s holds a store: restore into a new folder", dir)
	}
	for _, name := range names {
		if name != "lock" && name != restoringFolder {
			return false, fmt.Errorf("folder %s holds other files, such as %s: restore into a new folder", dir, name)
		}
	}
	if onDisk {
		if inside, err := contains(from, dir); err != nil || inside {
			if inside {
				err = fmt.Errorf("folder %s is in the backup %s: restore into a folder elsewhere", dir, from)
			}
			return false, err
		}
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return false, folderError(dir, err)
	}
	return made, syncDir(disk, disk.PathDir(dir))
}

func restore(ctx context.Context, disk vfs.FS, from, dir string, opts Options, finish func(string, *DB, *backup.Backup) error) (*backup.Backup, error) {
	folder := disk.PathJoin(dir, restoringFolder)
	if err := disk.RemoveAll(folder); err != nil {
		return nil, folderError(dir, err)
	}
	if err := disk.MkdirAll(folder, 0o700); err != nil {
		return nil, folderError(dir, err)
	}
	b, err := backup.Extract(ctx, disk, from, folder)
	if err != nil {
		return nil, err
	}
	db, err := Open(folder, opts)
	if err != nil {
		return nil, fmt.Errorf("open what was restored: %w", err)
	}
	err = db.do(db.becomeAnother)
	if err == nil {
		err = finish(folder, db, b)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("finish what was restored: %w", err)
	}
	if err := removeLogs(disk, folder, b); err != nil {
		return nil, folderError(dir, err)
	}
	if err := moveUp(disk, folder, dir, db.numbering.id, db.numbering.last); err != nil {
		return nil, folderError(dir, err)
	}
	return b, nil
}

// becomeAnother gives the store, which has just been opened, the id of another
// one: it and the one that the backup is of go on apart, with commits of the
// same numbers, and their files must not be mixed. The commit that says so goes
// into a table, as all before it do.
func (db *DB) becomeAnother() error {
	db.numbering.id = storeID(rand.Uint64())
	batch := db.pebble.NewBatch()
	number, err := db.append(batch)
	if err == nil {
		err = db.settle(batch, number)
	}
	if err != nil {
		return err
	}
	return db.pebble.Flush()
}

// removeLogs removes the logs that came with the backup and that Pebble has not
// removed yet. They are in tables since [DB.becomeAnother], and have the id
// that the store had before.
func removeLogs(disk vfs.FS, folder string, b *backup.Backup) error {
	for _, f := range b.Files {
		if strings.HasPrefix(f.Path, dataFolder+"/") && strings.HasSuffix(f.Path, ".log") {
			if err := disk.Remove(disk.PathJoin(folder, filepath.FromSlash(f.Path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return syncDir(disk, disk.PathJoin(folder, dataFolder))
}

// moveUp makes dir the store that folder, which is in it, is.
func moveUp(disk vfs.FS, folder, dir string, id storeID, last uint64) error {
	if err := writeWitness(disk, folder, id, last); err != nil {
		return err
	}
	names, err := disk.List(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "lock" || name == formatFile {
			continue // dir has its own
		}
		if err := disk.Rename(disk.PathJoin(folder, name), disk.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	// Before FORMAT is begun: a folder that has its beginning, and nothing
	// else, would be a new store's.
	if err := syncDir(disk, dir); err != nil {
		return err
	}
	if err := disk.RemoveAll(folder); err != nil {
		return err
	}
	if err := syncDir(disk, dir); err != nil { // first: a folder with nothing but the beginning of FORMAT is a new store
		return err
	}
	return writeWhole(disk, dir, formatFile, formatText(id))
}
