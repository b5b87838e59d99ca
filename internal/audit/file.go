package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/perdure/perdure/internal/private"
)

// chapter is a file whose first line can be read.
type chapter struct {
	head
	name string
	hash string // of the first line
}

// chapters returns the files of dir in order of their numbers, and the names of
// those whose first line is none.
func chapters(dir string) (all []chapter, unread []string, err error) {
	if _, err := private.Folder(dir, 0o700); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	names, err := names(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		c, ok, err := readHead(dir, name)
		switch {
		case err != nil:
			return nil, nil, err
		case ok:
			all = append(all, c)
		default:
			unread = append(unread, name)
		}
	}
	slices.SortStableFunc(all, func(a, b chapter) int { return a.File - b.File })
	return all, unread, nil
}

func readHead(dir, name string) (c chapter, ok bool, err error) {
	file, err := private.Open(filepath.Join(dir, name), os.O_RDONLY)
	if err != nil {
		return chapter{}, false, err
	}
	defer file.Close()
	line, err := bufio.NewReader(io.LimitReader(file, maxLine)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return chapter{}, false, troubled(err)
	}
	body, hash, ok := open(line)
	if !ok || json.Unmarshal(line, &c.head) != nil || c.What != whatFile || c.File < 1 || c.N < 1 || sum(c.Previous, body) != hash {
		return chapter{}, false, nil
	}
	c.name, c.hash = name, hash
	return c, true, nil
}

// lines reads a file line by line. What has no line feed, and what is longer
// than a line can be, comes in parts that are no lines.
type lines struct{ *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReaderSize(r, maxLine)} }

// next returns a line, which is good until the next one, or [io.EOF] with what
// is left.
func (l lines) next() ([]byte, error) {
	line, err := l.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	return line, err
}

// look finds the newest line and what stands behind it. The turn is taken, or
// nobody else has the log.
func (l *Log) look() error {
	l.closeFile()
	all, unread, err := chapters(l.dir)
	if err != nil {
		return err
	}
	for _, name := range unread {
		l.damaged(name, "its first line is missing or not true")
	}
	l.left, l.full = nil, true
	if len(all) == 0 {
		if l.tail.n > 0 {
			l.damaged("", "all files are gone")
		}
		return nil
	}
	newest := all[len(all)-1]
	found, err := scan(l.dir, newest)
	if err != nil {
		return err
	}
	if found.damaged {
		l.damaged(newest.name, fmt.Sprintf("what follows line %d does not belong there", found.n))
	}
	if found.n < l.tail.n { // what is known to have been written counts: so its loss is found
		l.damaged(newest.name, fmt.Sprintf("it ends with line %d, and line %d was written", found.n, l.tail.n))
		return nil
	}
	l.tail, l.name, l.size, l.left, l.full = tail{newest.head, found.n, found.hash}, newest.name, found.size, found.left, found.left != nil
	return nil
}

// found is what scan found: the last line that follows from all before, and
// what is left.
type found struct {
	n       uint64
	hash    string
	size    int64 // of the lines
	left    *Left
	damaged bool // there are lines in what is left: no crash does that
}

// scan reads a file as far as its lines follow each other.
func scan(dir string, c chapter) (found, error) {
	file, err := private.Open(filepath.Join(dir, c.name), os.O_RDONLY)
	if err != nil {
		return found{}, err
	}
	defer file.Close()
	out := found{n: c.N - 1, hash: c.Previous}
	rest, in := sha256.New(), newLines(file)
	for {
		line, err := in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return found{}, troubled(err)
		}
		body, hash, whole := open(line)
		switch {
		case len(line) == 0:
		case out.left == nil && whole && sum(out.hash, body) == hash:
			out.n, out.hash, out.size = out.n+1, hash, out.size+int64(len(line))
		default:
			if out.left == nil {
				out.left = &Left{}
			}
			rest.Write(line)
			out.left.Bytes += int64(len(line))
			out.damaged = out.damaged || whole
		}
		if err != nil {
			if out.left != nil {
				out.left.SHA256 = hex.EncodeToString(rest.Sum(nil))
			}
			return out, nil
		}
	}
}
