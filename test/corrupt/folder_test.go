package corrupt

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// copyFolder copies the files of a folder. Folders that stand where a table would be are
// left out.
func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	if err := copyTree(from, to, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
}

// copyRunning copies the folder of a running store that nobody asks anything: what it does
// in the background comes to an end.
func copyRunning(t testing.TB, from, to string) {
	t.Helper()
	for {
		before, err := takeState(from)
		if err == nil {
			err = copyTree(from, to, func(string) bool { return false })
		}
		after, again := takeState(from)
		if err == nil && again == nil && before.differs(after) == "" {
			return
		}
		os.RemoveAll(to) // a file went away meanwhile
		if t.Context().Err() != nil {
			t.Fatalf("the folder does not come to rest: %v", errors.Join(err, again))
		}
	}
}

// copyTree copies from, and makes links of the files that may be shared.
func copyTree(from, to string, share func(name string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case d.IsDir() && isTable(name):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type()&fs.ModeSocket != 0:
			return nil
		case share(filepath.ToSlash(name)):
			return os.Link(path, target)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// isTable tells the files that a store never writes to again.
func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// listFiles returns the files of a folder, and its folders with a slash at the end, sorted.
func listFiles(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if name = filepath.ToSlash(name); d.IsDir() {
			name += "/"
		}
		if name != "./" {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// state is what a folder holds: for each name mode, size and checksum.
type state map[string]string

// takeState leaves out what the locks hold: whoever opens the store writes his name there.
func takeState(dir string) (state, error) {
	s := state{}
	names, err := listFiles(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		s[name] = info.Mode().String()
		if info.Mode().IsRegular() && !isLock(name) {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			s[name] += fmt.Sprintf(" %d %08x", len(content), crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
		}
	}
	return s, nil
}

func isLock(name string) bool { return name == "lock" || name == "data/LOCK" }

// differs tells what is not as it was, "" for nothing.
func (s state) differs(now state) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if now[name] != s[name] {
			all = append(all, fmt.Sprintf("%s was %q, is %q", name, s[name], now[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, ok := s[name]; !ok && !isLock(name) {
			all = append(all, name+" is new")
		}
	}
	return strings.Join(all, "; ")
}
