// Package private opens files, folders and sockets that must be this user's.
// Whoever runs the program and root are trusted; what another user of the
// machine has, or could have put there, is refused, with what to do about it.
//
// On Windows the folder that a file inherits from decides who may do what, and
// nothing is asked of owners and modes.
package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open is os.OpenFile for a file of ours: one that is no symbolic link nor
// anything else than a regular file, and that belongs to us or root. Others may
// not read or write it from then on; one that it makes has mode 0600.
func Open(path string, flag int) (*os.File, error) {
	file, info, err := open(path, flag)
	if err != nil {
		return nil, err
	}
	if err := tighten(file, info, path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// ReadSecret returns what a file of ours holds that others must never have been
// able to read.
func ReadSecret(path string) ([]byte, error) {
	file, info, err := open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if open := others(info); open != "" {
		return nil, fmt.Errorf("%s can be %s by others than its owner: replace the secrets in it if they may have been seen, and run chmod 600 on it", path, open)
	}
	return io.ReadAll(file)
}

// open refuses what is not ours.
func open(path string, flag int) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, flag|noFollow, 0o600)
	if info, lstatErr := os.Lstat(path); err != nil && lstatErr == nil && !info.Mode().IsRegular() {
		return nil, nil, notRegular(path, info.Mode())
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path, info.Mode())
	}
	if err == nil {
		err = checkOwner(path, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func notRegular(path string, mode fs.FileMode) error {
	what := "no regular file"
	switch {
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case mode.IsDir():
		what = "a folder"
	}
	return fmt.Errorf("%s is %s, and is not followed or used: look who put it there, and remove it", path, what)
}

// Write replaces the file at path by one that only we can read. Readers see the
// old file or the new one, never half of one.
func Write(path string, content []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a left one may be another's
	}
	file, err := Open(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
