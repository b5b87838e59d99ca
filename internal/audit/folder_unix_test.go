//go:build unix

package audit

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheFolderIsForItsOwnerOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	modes := func(dir string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "audit")
	l := openLog(t, dir, Options{})
	put(t, l, "a")
	modes(dir)
	// Others made it wide: it is made ours again.
	l.Close()
	os.Chmod(dir, 0o777)
	os.Chmod(filepath.Join(dir, l.name), 0o666)
	l = openLog(t, dir, Options{})
	put(t, l, "b")
	l.full = true
	put(t, l, "c")
	modes(dir)
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	made := func() (dir, name string) {
		dir = filepath.Join(t.TempDir(), "audit")
		l := openLog(t, dir, Options{})
		put(t, l, "a")
		l.Close()
		return dir, l.name
	}
	for _, tt := range []struct {
		name, want string
		root       bool // only root can make it so
		do         func(dir, name string) error
	}{
		{"a folder that is a link", "is a symbolic link", false, func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
		}},
		{"a folder that is a file", "is no folder", false, func(dir, _ string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		}},
		{"a file that is a link", "is a symbolic link", false, func(dir, name string) error {
			path := filepath.Join(dir, name)
			return errors.Join(os.Rename(path, dir+"2"), os.Symlink(dir+"2", path))
		}},
		{"a file that is a folder", "is a folder", false, func(dir, name string) error {
			path := filepath.Join(dir, name)
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}},
		{"a folder of another user", "belongs to user 12345", true, func(dir, _ string) error { return os.Chown(dir, 12345, 12345) }},
		{"a file of another user", "belongs to user 12345", true, func(dir, name string) error {
			return os.Chown(filepath.Join(dir, name), 12345, 12345)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir, name := made()
			if err := tt.do(dir, name); err != nil {
				t.Fatal(err)
			}
			if _, err := openLog(t, dir, Options{}).Append(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Append() error = %v, want it to say %q", err, tt.want)
			}
			if _, err := Verify(dir, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Verify() error = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// A link where the next file is to begin is not written through.
func TestALinkIsNotWrittenThrough(t *testing.T) {
	dir, victim := filepath.Join(t.TempDir(), "audit"), filepath.Join(t.TempDir(), "victim")
	write(t, victim, []byte("as it was"))
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink(victim, filepath.Join(dir, newFile))); err != nil {
		t.Fatal(err)
	}
	put(t, openLog(t, dir, Options{}), "a")
	if text, err := os.ReadFile(victim); string(text) != "as it was" {
		t.Errorf("the file behind the link holds %q, %v", text, err)
	}
	verified(t, dir, "")
}

func TestAFullDiskRefusesAndHidesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := openLog(t, dir, Options{})
	put(t, l, "a")
	l.sync = func(f *os.File) error { // it is full, and took half of the line
		info, err := f.Stat()
		return errors.Join(err, f.Truncate(info.Size()-100), syscall.ENOSPC)
	}
	for range 2 {
		if _, err := l.Append(slog.String("what", "b")); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") {
			t.Errorf("Append() error = %v, want that the disk is full, and what to do", err)
		}
	}
	l.sync = (*os.File).Sync
	put(t, l, "c")
	if r := verified(t, dir, newest(t, l)); len(r.Notes) != 1 {
		t.Errorf("Notes = %+v, want one about the half line", r.Notes)
	}
}
