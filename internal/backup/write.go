package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Source is a file to back up.
type Source struct {
	Path  string // in the backup, with slashes
	From  string // where it lies
	Bytes int64
	// Immutable says that all files that the store ever had under Path are this
	// one.
	Immutable bool
}

// Result tells what a backup took.
type Result struct {
	Backup
	CopiedFiles int
	CopiedBytes int64 // the others were there already
}

// keptFree is what a backup leaves free on its disk: the store may be on the
// same one.
const keptFree = 128 << 20

// Folder is a folder that backups are written to. It is locked until it is
// closed.
type Folder struct {
	disk vfs.FS
	dir  string
	lock io.Closer
	last *Backup // that it holds; nil: none yet
}

// Open makes dir ready for a backup. It refuses a folder that holds something
// else.
func Open(disk vfs.FS, dir string) (*Folder, error) {
	err := checkFolder(disk, dir)
	if err == nil {
		err = disk.MkdirAll(disk.PathJoin(dir, filesFolder), 0o700)
	}
	if err == nil {
		err = syncDir(disk, disk.PathDir(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("backup folder %s: %w", dir, err)
	}
	lock, err := disk.Lock(disk.PathJoin(dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("backup folder %s is in use by another backup: %w", dir, err)
	}
	last, err := Read(disk, dir)
	if errors.Is(err, ErrNone) {
		last, err = nil, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: remove the folder, or name another one", err), lock.Close())
	}
	return &Folder{disk: disk, dir: dir, lock: lock, last: last}, nil
}

// checkFolder returns an error if dir is there and is neither empty nor a
// backup's.
func checkFolder(disk vfs.FS, dir string) error {
	names, err := disk.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case slices.Contains(names, headFile):
		return nil
	}
	for _, name := range names {
		// These are what a first backup can leave behind if it is killed.
		if name != lockFile && name != filesFolder && name != headFile+newSuffix {
			return fmt.Errorf("it holds other files, such as %s, and no backup: name an empty or a new folder", name)
		}
	}
	return nil
}

// Last is the backup that the folder holds, nil if there is none.
func (f *Folder) Last() *Backup { return f.last }

// Close lets go of the folder.
func (f *Folder) Close() error { return f.lock.Close() }

// Write makes a backup of the sources in place of the last one, which stays
// whole until the new one is durable. What the last one has of the same store
// is not copied again: an immutable file of the same path and length, whose
// content still has its checksum.
func (f *Folder) Write(ctx context.Context, origin Origin, sources []Source) (*Result, error) {
	if err := f.refuse(origin); err != nil {
		return nil, err
	}
	result := &Result{Backup: Backup{Origin: origin, Files: make([]File, len(sources))}}
	var missing []int // sources to be copied
	var need int64
	for i, s := range sources {
		known, err := f.find(ctx, s)
		if err != nil {
			return nil, err
		}
		if known != nil {
			result.Files[i] = *known
			continue
		}
		missing = append(missing, i)
		need += s.Bytes
	}
	if err := room(f.disk, f.dir, need); err != nil {
		return nil, err
	}
	for _, i := range missing {
		file, err := f.add(ctx, sources[i])
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", sources[i].Path, err)
		}
		result.Files[i] = file
		result.CopiedFiles, result.CopiedBytes = result.CopiedFiles+1, result.CopiedBytes+file.Bytes
	}
	if err := f.replace(&result.Backup); err != nil {
		return nil, fmt.Errorf("backup folder %s: %w", f.dir, err)
	}
	f.sweep()
	return result, nil
}

// refuse keeps a backup from being replaced by one that does not come after it.
func (f *Folder) refuse(next Origin) error {
	switch last := f.last; {
	case last == nil:
		return nil
	case last.Store != next.Store:
		return fmt.Errorf("backup folder %s holds a backup of another store (%s, this one is %s; what is restored is another one, too): name another folder", f.dir, last.Store, next.Store)
	case last.Commits > next.Commits:
		return fmt.Errorf("backup folder %s holds a newer backup (of commit %d) than this store is (at commit %d), which is an old copy: name another folder", f.dir, last.Commits, next.Commits)
	}
	return nil
}

// find returns the file of the last backup that s is, nil if there is none.
func (f *Folder) find(ctx context.Context, s Source) (*File, error) {
	if !s.Immutable || f.last == nil {
		return nil, nil
	}
	for _, known := range f.last.Files {
		if known.Path == s.Path && known.Bytes == s.Bytes {
			if check(ctx, f.disk, f.dir, known) == nil {
				return &known, nil
			}
			return nil, ctx.Err() // else it is damaged, and copied anew
		}
	}
	return nil, nil
}

// room refuses what the disk of dir has no room for.
func room(disk vfs.FS, dir string, need int64) error {
	usage, err := disk.GetDiskUsage(dir)
	switch {
	case errors.Is(err, vfs.ErrUnsupported):
		return nil
	case err != nil:
		return fmt.Errorf("ask for free disk space in %s: %w", dir, err)
	case usage.AvailBytes < uint64(need+keptFree):
		return fmt.Errorf("no space in %s: %d MiB are to be copied there, of %d MiB free %d are kept: make room, or name a folder on another disk: %w",
			dir, need>>20, usage.AvailBytes>>20, keptFree>>20, syscall.ENOSPC)
	}
	return nil
}

// add copies s into the folder, durably.
func (f *Folder) add(ctx context.Context, s Source) (File, error) {
	from, err := f.disk.Open(s.From, vfs.SequentialReadsOption)
	if err != nil {
		return File{}, err
	}
	defer from.Close()
	half := contentPath(f.disk, f.dir, "copy"+newSuffix)
	n, sum, err := writeFile(ctx, f.disk, half, from)
	if err != nil {
		f.disk.Remove(half) // should it stay, the next backup writes over it
		return File{}, err
	}
	return File{s.Path, n, sum}, f.disk.Rename(half, contentPath(f.disk, f.dir, sum))
}

// writeFile makes a file of what r holds, and syncs it.
func writeFile(ctx context.Context, disk vfs.FS, path string, r io.Reader) (n int64, sum string, err error) {
	file, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, "", err
	}
	if file.Fd() != vfs.InvalidFd { // on the real disk
		err = os.Chmod(path, 0o600)
	}
	if err == nil {
		n, sum, err = transfer(ctx, file, r)
	}
	if err == nil {
		err = file.Sync()
	}
	return n, sum, errors.Join(err, file.Close())
}

// replace makes b the backup that the folder holds.
func (f *Folder) replace(b *Backup) error {
	text, err := b.encode()
	if err != nil {
		return err
	}
	if err := syncDir(f.disk, f.disk.PathJoin(f.dir, filesFolder)); err != nil {
		return err
	}
	path := f.disk.PathJoin(f.dir, headFile)
	if _, _, err := writeFile(context.Background(), f.disk, path+newSuffix, strings.NewReader(string(text))); err != nil {
		return err
	}
	if err := f.disk.Rename(path+newSuffix, path); err != nil {
		return err
	}
	f.last = b
	return syncDir(f.disk, f.dir)
}

// sweep removes the content that the backup does not name. What stays because
// it cannot be removed does no harm, and the next backup tries again.
func (f *Folder) sweep() {
	used := make(map[string]bool)
	for _, file := range f.last.Files {
		used[file.SHA256] = true
	}
	folder := f.disk.PathJoin(f.dir, filesFolder)
	names, err := f.disk.List(folder)
	if err != nil {
		return
	}
	for _, name := range names {
		if isSum(name) && !used[name] || strings.HasSuffix(name, newSuffix) {
			f.disk.Remove(f.disk.PathJoin(folder, name))
		}
	}
}

// syncDir makes durable which files dir holds.
func syncDir(disk vfs.FS, dir string) error {
	file, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
