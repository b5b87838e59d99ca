//go:build unix

package private

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// noFollow refuses symbolic links, and does not wait for the other end of a
// pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// trusted reports whether what a user does is done by us or by root.
func trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func checkOwner(path string, info fs.FileInfo) error {
	if owner := ownerOf(info); !trusted(owner) {
		return fmt.Errorf("%s belongs to %s and the program runs as %s: run it as the owner, or give the file or folder to who runs it with chown", path, userName(owner), userName(os.Geteuid()))
	}
	return nil
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("user %s (%s)", id, u.Username)
	}
	return "user " + id
}

// others says what others than the owner may do with a file, "" for nothing.
func others(info fs.FileInfo) string {
	switch perm := info.Mode().Perm(); {
	case perm&0o022 != 0:
		return "written"
	case perm&0o077 != 0:
		return "read"
	}
	return ""
}

// tighten takes a file of ours away from others.
func tighten(file *os.File, info fs.FileInfo, path string) error {
	switch {
	case others(info) == "":
		return nil
	case ownerOf(info) == os.Geteuid():
		return file.Chmod(info.Mode().Perm() &^ 0o077)
	case others(info) == "written":
		return fmt.Errorf("%s is root's and can be written by others: have root run chmod 600 on it", path)
	}
	return nil
}

func tightenFolder(path string, info fs.FileInfo, most fs.FileMode) (warning string, err error) {
	perm := info.Mode().Perm()
	extra := perm &^ most
	switch {
	case extra == 0:
		return "", nil
	case ownerOf(info) == os.Geteuid():
		if err := os.Chmod(path, info.Mode()&^extra); err != nil {
			return "", err
		}
		if extra&0o022 != 0 {
			warning = fmt.Sprintf("others could write folder %s: its mode was %04o and is %04o now", path, perm, perm&^extra)
		}
		return warning, nil
	case perm&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		return "", fmt.Errorf("folder %s is root's and everybody can write it: name a folder of your own in it, or have root run chmod o-w on it", path)
	case extra&0o022 != 0:
		return fmt.Sprintf("folder %s is root's and others can write it", path), nil
	}
	return "", nil
}
