package embedded

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/store"
)

// FormatVersion is the version of the folder's layout, in the file FORMAT. A
// build refuses a folder of another one.
const FormatVersion = 2

const (
	formatFile = "FORMAT"
	acceptFile = "accept-loss" // made by an operator; see accept
	dataFolder = "data"        // of Pebble
	unfinished = ".new"        // ends the name of a file until it is whole
)

// createFolder creates dir if need be and refuses one that is not a store's.
func createFolder(disk vfs.FS, dir string) error {
	info, err := disk.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := disk.MkdirAll(dir, 0o700); err != nil {
			return folderError(dir, err)
		}
		if err := syncDir(disk, disk.PathDir(dir)); err != nil {
			return folderError(dir, err)
		}
		return nil
	case err != nil:
		return folderError(dir, err)
	case !info.IsDir():
		return folderError(dir, syscall.ENOTDIR)
	}
	names, err := disk.List(dir)
	if err != nil {
		return folderError(dir, err)
	}
	for _, name := range []string{formatFile, formatFile + unfinished, acceptFile} {
		if slices.Contains(names, name) {
			return nil // it is, or becomes, a store
		}
	}
	if slices.Contains(names, dataFolder) {
		return refused(dir, fmt.Errorf("its file %s is missing", formatFile))
	}
	for _, name := range names {
		if name != lockName { // which a first Open leaves behind if it is killed
			return fmt.Errorf("folder %s holds other files, such as %s, and no Perdure store: name an empty or a new folder", dir, name)
		}
	}
	return nil
}

// findFolder refuses a folder that is no store's.
func findFolder(disk vfs.FS, dir string) error {
	there, err := isThere(disk, disk.PathJoin(dir, formatFile))
	if err == nil && !there {
		return refused(dir, fmt.Errorf("its file %s is missing", formatFile))
	}
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// formatText returns the content of FORMAT.
func formatText(id storeID) string {
	text := fmt.Sprintf("perdure store format %d\nid %s\n", FormatVersion, id)
	return fmt.Sprintf("%ssum %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

// formatError says that a folder is another build's.
type formatError struct {
	dir     string
	version int
}

func (e formatError) Error() string {
	if e.version > FormatVersion {
		return fmt.Sprintf("store folder %s has format version %d, this build reads version %d: use a newer build, or name another folder", e.dir, e.version, FormatVersion)
	}
	return fmt.Sprintf("store folder %s has format version %d, this build reads version %d: export its instances with the build that made it, and import them into another folder", e.dir, e.version, FormatVersion)
}

// readFormat reads a file that is, or becomes, FORMAT. It returns a formatError
// for a folder of another build, and [fs.ErrNotExist] if there is no such file.
func readFormat(disk vfs.FS, dir, name string) (storeID, error) {
	content, err := readSmall(disk, disk.PathJoin(dir, name))
	if err != nil {
		return 0, err
	}
	var version int
	if n, _ := fmt.Sscanf(content, "perdure store format %d\n", &version); n == 1 && version > 0 && version != FormatVersion {
		return 0, formatError{dir, version}
	}
	var id storeID
	if n, _ := fmt.Sscanf(content, "perdure store format %d\nid %016x\n", &version, &id); n != 2 || content != formatText(id) {
		return 0, fmt.Errorf("its file %s is damaged (%.40q)", name, content)
	}
	return id, nil
}

// claimFolder says that a new store is being made, and returns its id: the one
// that an attempt before has chosen, if there was one.
func claimFolder(disk vfs.FS, dir string) (storeID, error) {
	if id, err := readFormat(disk, dir, formatFile+unfinished); err == nil {
		return id, nil
	}
	id := storeID(rand.Uint64())
	return id, writeUnfinished(disk, dir, formatFile, formatText(id))
}

// writeWhole makes a file appear, or change, whole or not at all.
func writeWhole(disk vfs.FS, dir, name, content string) error {
	if err := writeUnfinished(disk, dir, name, content); err != nil {
		return err
	}
	return publish(disk, dir, name)
}

func writeUnfinished(disk vfs.FS, dir, name, content string) error {
	file, err := disk.Create(disk.PathJoin(dir, name+unfinished), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte(content))
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return syncDir(disk, dir)
}

// publish gives a file that was unfinished its name.
func publish(disk vfs.FS, dir, name string) error {
	if err := disk.Rename(disk.PathJoin(dir, name+unfinished), disk.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncDir(disk, dir)
}

// readSmall reads a small file.
func readSmall(disk vfs.FS, path string) (string, error) {
	file, err := disk.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, 1024))
	return string(content), err
}

func isThere(disk vfs.FS, path string) (bool, error) {
	_, err := disk.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes durable which files dir holds.
func syncDir(disk vfs.FS, dir string) error {
	file, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// folderError says of the usual troubles with a folder what to do.
func folderError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to use store folder %s: make it yours with mode 0700, or name another folder: %w", dir, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("store folder %s is, or lies below, a file: remove the file, or name another folder: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("store folder %s is on a read-only disk: name another folder: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("store folder %s is on a full disk: make room, or name another folder: %w", dir, err)
	}
	return fmt.Errorf("store folder %s: %w", dir, err)
}

// acceptAdvice is what to do about a store that is refused.
const acceptAdvice = "restore the folder from a backup; to open what is left of it all the same, copy it first, and put an empty file " + acceptFile + " into it"

// refused says why a store is not opened, and what to do.
func refused(dir string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, new(formatError)):
		return err
	case errors.As(err, new(notLeftError)):
		return fmt.Errorf("store folder %s cannot be opened even so: %w: restore the folder from a backup", dir, err)
	case errors.As(err, &errno) && errno != syscall.ENOENT || errors.Is(err, fs.ErrPermission):
		return folderError(dir, err)
	}
	return &store.RefusedError{Dir: dir, Cause: err, Advice: acceptAdvice}
}
