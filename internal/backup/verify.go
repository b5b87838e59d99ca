package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DamagedError says that files of a backup are not what they were.
type DamagedError struct {
	Dir   string
	Files []string // what is wrong with each
}

func (e *DamagedError) Error() string {
	const most = 10
	files := e.Files
	if more := len(files) - most; more > 0 {
		files = append(files[:most:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("backup %s is damaged: %s", e.Dir, strings.Join(files, "; "))
}

// Verify reads all content of the backup in dir. Errors: [ErrNone],
// [*DamagedError], which names every file that is not what it was.
func Verify(ctx context.Context, disk vfs.FS, dir string) (*Backup, error) {
	b, err := Read(disk, dir)
	if err != nil {
		return nil, err
	}
	damaged := &DamagedError{Dir: dir}
	checked := make(map[string]error) // by content: some files share one
	for _, f := range b.Files {
		err, done := checked[f.SHA256]
		if !done {
			err = check(ctx, disk, dir, f)
			checked[f.SHA256] = err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			damaged.Files = append(damaged.Files, fmt.Sprintf("%s: %v", f.Path, err))
		}
	}
	if damaged.Files != nil {
		return nil, damaged
	}
	return b, nil
}

// check compares the content of f with its checksum.
func check(ctx context.Context, disk vfs.FS, dir string, f File) error {
	file, err := disk.Open(contentPath(disk, dir, f.SHA256), vfs.SequentialReadsOption)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s/%s is missing", filesFolder, f.SHA256)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	n, sum, err := transfer(ctx, io.Discard, file)
	if err != nil {
		return err
	}
	return f.compare(n, sum)
}

func (f File) compare(bytes int64, sum string) error {
	switch {
	case bytes != f.Bytes:
		return fmt.Errorf("%s/%s has %d bytes, not %d", filesFolder, f.SHA256, bytes, f.Bytes)
	case sum != f.SHA256:
		return fmt.Errorf("%s/%s has another checksum than its name says", filesFolder, f.SHA256)
	}
	return nil
}

// transfer copies from r to w until the end or the end of ctx, and says how
// much that was and its SHA-256.
func transfer(ctx context.Context, w io.Writer, r io.Reader) (n int64, sum string, err error) {
	hash, buffer := sha256.New(), make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return n, "", err
		}
		k, err := r.Read(buffer)
		hash.Write(buffer[:k])
		if _, err := w.Write(buffer[:k]); err != nil {
			return n, "", err
		}
		n += int64(k)
		if err == io.EOF {
			return n, hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return n, "", err
		}
	}
}
