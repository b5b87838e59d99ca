package corrupt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// damage is one thing that befalls one file or folder of a store.
type damage struct {
	kind  string // such as flip
	file  string // its name in the folder, with slashes
	where string // which byte, say
	apply func(path string) error
}

func (d damage) String() string { return strings.TrimSpace(d.kind + " " + d.file + " " + d.where) }

// stride is how far apart the bytes are that are damaged in turn, besides those at both
// ends: 1 for files that hold a folder together, some in each block for others.
func stride(size int) int {
	switch {
	case size <= 512:
		return 1
	case size <= 4*block:
		return 64
	case size <= 64*block:
		return block / 4
	default:
		return 2 * block
	}
}

// ends is how many bytes at both ends of a file are damaged in turn.
const ends = 40

// block is how much is read, and overwritten by zeros, at one time.
const block = 4 << 10

// ofContent are the damages to a file that holds these bytes. Zeros at its end, which a log
// may be filled with ahead, are damaged once a block.
func ofContent(file string, content []byte) (all []damage) {
	size, written := len(content), len(bytes.TrimRight(content, "\x00"))
	add := func(kind, where string, change func(content []byte) []byte) {
		all = append(all, damage{kind, file, where, changing(change)})
	}
	for at := range size {
		step := stride(written)
		if at >= written {
			step = block
		}
		atEnd := at < ends || at >= size-ends || at >= written-ends && at < written+ends
		if at%step != 0 && !atEnd {
			continue
		}
		for _, mask := range []byte{0xff, 0x01}[:min(2, 1+1/step)] {
			add("flip", fmt.Sprintf("at %d by %#02x", at, mask), func(content []byte) []byte { content[at] ^= mask; return content })
		}
		if at > 0 && (at%(4*step) == 0 || step == 1 || at >= ends && atEnd) {
			add("cut", fmt.Sprintf("at %d", at), func(content []byte) []byte { return content[:at] })
		}
		if at%block == 0 {
			add("zeros", fmt.Sprintf("from %d", at), func(content []byte) []byte {
				clear(content[at:min(at+block, size)])
				return content
			})
		}
	}
	if size > 0 {
		add("cut", "to nothing", func([]byte) []byte { return nil })
	}
	add("append", "zeros", func(content []byte) []byte { return append(content, make([]byte, 100)...) })
	add("append", "a copy of itself", func(content []byte) []byte { return append(content, content...) })
	return all
}

// changing writes what change makes of a file's content.
func changing(change func(content []byte) []byte) func(path string) error {
	return func(path string) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(content), 0o600)
	}
}

// ofName are the damages to what has a name.
func ofName(file string, dir bool) (all []damage) {
	all = append(all, damage{"remove", file, "", os.RemoveAll})
	empty := func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	}
	if !dir {
		return append(all, damage{"folder", file, "", empty})
	}
	return append(all, damage{"empty", file, "", empty}, damage{"file", file, "", func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.WriteFile(path, nil, 0o600)
	}})
}

// replaced are the damages that put what another store has, or this one had, in the place
// of what is there: under the same name, or else under that of a file of the same kind.
func replaced(dir, kind, other string) (all []damage, err error) {
	here, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	there, err := listFiles(other)
	if err != nil {
		return nil, err
	}
	add := func(file, from string) error {
		from = filepath.Join(other, filepath.FromSlash(from))
		if same, err := equal(filepath.Join(dir, filepath.FromSlash(file)), from); same || err != nil {
			return err
		}
		all = append(all, damage{kind, file, "from " + filepath.Base(from), func(path string) error {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return copyTree(from, path, func(string) bool { return false })
		}})
		return nil
	}
	for _, file := range there {
		if !isLock(file) {
			err = errors.Join(err, add(file, file))
		}
	}
	for _, file := range here {
		of := func(name string) bool { return kindOf(name) == kindOf(file) && !strings.HasSuffix(name, "/") }
		if at := slices.IndexFunc(there, of); !slices.Contains(there, file) && at >= 0 {
			err = errors.Join(err, add(file, there[at]))
		}
	}
	return all, err
}

// equal reports whether two paths are files that hold the same.
func equal(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err == nil {
		var y []byte
		y, err = os.ReadFile(b)
		if err == nil {
			return string(x) == string(y), nil
		}
	}
	var not *fs.PathError
	if errors.As(err, &not) {
		return false, nil // one of them is missing, or a folder
	}
	return false, err
}

// damages are all that are tried on the store in dir, but for contents that skip names.
func damages(dir, early, other string, skip func(file string) bool) (all []damage, err error) {
	names, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if skip(name) {
			continue
		}
		all = append(all, ofName(name, strings.HasSuffix(name, "/"))...)
		if strings.HasSuffix(name, "/") || isLock(name) || strings.HasPrefix(name, "running-") { // the last is the engine's
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		all = append(all, ofContent(name, content)...)
	}
	older, err := replaced(dir, "older", early)
	if err != nil {
		return nil, err
	}
	swapped, err := replaced(dir, "other's", other)
	return append(append(all, older...), swapped...), err
}

var digits = regexp.MustCompile(`[0-9]+`)

// kindOf is what a file is called without its number: a row of the matrix.
func kindOf(name string) string {
	if base := path.Base(name); strings.HasPrefix(base, "marker.") {
		return path.Dir(name) + "/" + strings.Join(strings.Split(base, ".")[:2], ".")
	}
	return digits.ReplaceAllString(name, "N")
}
