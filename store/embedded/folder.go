package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion is the version of the folder's layout, in the file FORMAT. A
// build refuses a folder of a newer one.
const FormatVersion = 1

const (
	formatFile   = "FORMAT"
	claimFile    = "FORMAT.new" // what FORMAT is called until it is whole
	formatPrefix = "perdure store format "
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
	if slices.Contains(names, formatFile) {
		return nil
	}
	for _, name := range names {
		// These are what a first Open can leave behind if it is killed.
		if name != "lock" && name != claimFile {
			return fmt.Errorf("folder %s holds other files, such as %s, and no Perdure store: name an empty or a new folder", dir, name)
		}
	}
	return nil
}

// checkFormat makes sure that this build knows the layout of dir, and writes
// the version into a new folder. It is called under the folder's lock.
func checkFormat(disk vfs.FS, dir string) error {
	file, err := disk.Open(disk.PathJoin(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return writeFormat(disk, dir)
	}
	if err != nil {
		return folderError(dir, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, 1024))
	if err != nil {
		return folderError(dir, err)
	}
	var version int
	text, ok := strings.CutPrefix(string(content), formatPrefix)
	if _, err := fmt.Sscanf(text, "%d\n", &version); !ok || err != nil || version < 1 {
		return fmt.Errorf("store folder %s: its file %s is damaged (%.40q): restore the folder from a backup, or name another one", dir, formatFile, content)
	}
	if version > FormatVersion {
		return fmt.Errorf("store folder %s has format version %d, this build reads versions up to %d: use a newer build, or name another folder", dir, version, FormatVersion)
	}
	return nil
}

// writeFormat makes FORMAT appear whole or not at all.
func writeFormat(disk vfs.FS, dir string) error {
	claim := disk.PathJoin(dir, claimFile)
	file, err := disk.Create(claim, vfs.WriteCategoryUnspecified)
	if err != nil {
		return folderError(dir, err)
	}
	_, err = fmt.Fprintf(file, "%s%d\n", formatPrefix, FormatVersion)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return folderError(dir, err)
	}
	if err := disk.Rename(claim, disk.PathJoin(dir, formatFile)); err != nil {
		return folderError(dir, err)
	}
	if err := syncDir(disk, dir); err != nil {
		return folderError(dir, err)
	}
	return nil
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
