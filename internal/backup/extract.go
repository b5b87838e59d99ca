package backup

import (
	"context"
	"fmt"
	"path"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Extract copies the files of the backup in dir into the folder to, durably,
// and makes that and the folders in it. All checksums are verified before, so
// that nothing is written of a damaged backup, and again of what is written.
func Extract(ctx context.Context, disk vfs.FS, dir, to string) (*Backup, error) {
	b, err := Verify(ctx, disk, dir)
	if err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	if err := room(disk, to, b.Bytes()); err != nil {
		return nil, err
	}
	folders := map[string]bool{".": true}
	for _, f := range b.Files {
		folder := path.Dir(f.Path)
		if !folders[folder] {
			folders[folder] = true
			if err := disk.MkdirAll(disk.PathJoin(to, filepath.FromSlash(folder)), 0o700); err != nil {
				return nil, err
			}
		}
		if err := extract(ctx, disk, dir, to, f); err != nil {
			return nil, fmt.Errorf("restore %s: %w", f.Path, err)
		}
	}
	for folder := range folders {
		if err := syncDir(disk, disk.PathJoin(to, filepath.FromSlash(folder))); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func extract(ctx context.Context, disk vfs.FS, dir, to string, f File) error {
	from, err := disk.Open(contentPath(disk, dir, f.SHA256), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer from.Close()
	n, sum, err := writeFile(ctx, disk, disk.PathJoin(to, filepath.FromSlash(f.Path)), from)
	if err != nil {
		return err
	}
	return f.compare(n, sum)
}
