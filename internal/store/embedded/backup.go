package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/backup"
)

// checkpointFolder is where, in the store's folder, the files of a backup stay
// as they are while they are copied. Open removes one that a crash left.
const checkpointFolder = "checkpoint"

// ErrBackingUp is what [DB.Backup] returns while another backup of the store is
// under way.
var ErrBackingUp = errors.New("a backup of this store is under way")

// Backup makes the folder dir a backup of the store, with all that was
// acknowledged before the call, while the store is used. others are files of
// the store's folder that are not the store's own, as slash-separated paths;
// what is not there is left out.
//
// The log is moved into tables first, so that the next backup finds most of it
// there. What is copied is a checkpoint: hard links to tables, which never
// change, and the ends of the others as they were. It is opened, for reading,
// before it is called a backup.
func (db *DB) Backup(ctx context.Context, dir string, others []string) (*backup.Result, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	if !db.backingUp.TryLock() {
		return nil, ErrBackingUp
	}
	defer db.backingUp.Unlock()
	if inside, err := db.holds(dir); err != nil || inside {
		if inside {
			err = fmt.Errorf("backup folder %s is in the store's folder %s, and would be lost with it: name one elsewhere", dir, db.dir)
		}
		return nil, err
	}
	folder, err := backup.Open(db.disk, dir)
	if err != nil {
		return nil, err
	}
	result, err := db.backUpTo(ctx, folder, others)
	return result, errors.Join(err, folder.Close())
}

func (db *DB) backUpTo(ctx context.Context, folder *backup.Folder, others []string) (*backup.Result, error) {
	defer removeCheckpoint(db.disk, db.dir)
	origin, sources, err := db.checkpoint()
	if err != nil {
		return nil, fmt.Errorf("store folder %s: checkpoint: %w", db.dir, err)
	}
	for _, path := range others {
		from := db.disk.PathJoin(db.dir, filepath.FromSlash(path))
		info, err := db.disk.Stat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sources = append(sources, backup.Source{Path: path, From: from, Bytes: info.Size()})
	}
	return folder.Write(ctx, origin, sources)
}

// checkpoint makes a store in the checkpoint folder that is this one at the
// moment.
func (db *DB) checkpoint() (backup.Origin, []backup.Source, error) {
	dir := db.disk.PathJoin(db.dir, checkpointFolder)
	data := db.disk.PathJoin(dir, dataFolder)
	origin := backup.Origin{Store: db.numbering.id.String(), Made: time.Now().UTC()}
	known := db.witness.known()
	err := removeCheckpoint(db.disk, db.dir)
	if err == nil {
		err = db.disk.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = db.do(func() (err error) {
			defer func() { // Pebble panics if a folder cannot be synced, which is none of the store's
				if p := recover(); p != nil {
					err = fmt.Errorf("copy it: %v", p)
				}
			}()
			db.flushLog()
			return db.pebble.Checkpoint(data)
		})
	}
	if err == nil {
		origin.Commits, err = db.attest(dir, known)
	}
	if err != nil {
		return backup.Origin{}, nil, err
	}
	sources := []backup.Source{
		{Path: formatFile, From: db.disk.PathJoin(dir, formatFile)},
		{Path: witnessFile, From: db.disk.PathJoin(dir, witnessFile)},
	}
	names, err := db.disk.List(data)
	for _, name := range names {
		sources = append(sources, backup.Source{Path: dataFolder + "/" + name, From: db.disk.PathJoin(data, name), Immutable: isTable(name)})
	}
	for i := range sources {
		info, statErr := db.disk.Stat(sources[i].From)
		if statErr != nil {
			return backup.Origin{}, nil, statErr
		}
		sources[i].Bytes = info.Size()
	}
	return origin, sources, err
}

// attest verifies the checkpoint in dir, which must have the commit known, as
// Open verifies a store, and gives it a witness of the last commit in it, whose
// number it returns.
func (db *DB) attest(dir string, known uint64) (last uint64, err error) {
	id := db.numbering.id
	if err := writeWitness(db.disk, dir, id, known); err != nil {
		return 0, err
	}
	copied := &DB{dir: dir, breaker: newBreaker(slog.New(slog.DiscardHandler)), numbering: numbering{id: id}}
	if err := copied.do(func() error { return copied.verify(db.disk) }); err != nil {
		return 0, fmt.Errorf("a copy of the store cannot be used: %w", err)
	}
	last = copied.numbering.last
	return last, errors.Join(
		writeWitness(db.disk, dir, id, last),
		writeWhole(db.disk, dir, formatFile, formatText(id)),
	)
}

// isTable reports whether a file of Pebble's, once it is part of the store,
// never changes, and its name is never given to another one.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

func removeCheckpoint(disk vfs.FS, dir string) error {
	return disk.RemoveAll(disk.PathJoin(dir, checkpointFolder))
}

// holds reports whether path is, or will be, in the store's folder or the
// folder itself.
func (db *DB) holds(path string) (bool, error) {
	if !db.onDisk {
		rel, err := filepath.Rel(db.dir, path)
		return err == nil && filepath.IsLocal(rel), nil
	}
	return contains(db.dir, path)
}

// contains reports whether path is, or will be, in folder or the folder itself,
// by whatever names.
func contains(folder, path string) (bool, error) {
	own, err := os.Stat(folder)
	if err != nil {
		return false, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return false, err
	}
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			path = real
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return false, err
		}
		path = filepath.Dir(path)
	}
	for {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		if os.SameFile(own, info) {
			return true, nil
		}
		if path == filepath.Dir(path) {
			return false, nil
		}
		path = filepath.Dir(path)
	}
}
