package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/store/embedded"
)

// folder is a store in a folder of its own.
type folder struct {
	dir string
	db  *embedded.DB
	hub *embedded.Hub
}

// openFolder makes an empty store at site.
func openFolder(site site) (*folder, error) {
	dir, err := os.MkdirTemp(site.dir, "perdure-bench-")
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	if err := f.open(site.partitions); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return f, nil
}

func (f *folder) open(partitions int) (err error) {
	if f.db, err = embedded.Open(f.dir, embedded.Options{}); err != nil {
		return err
	}
	f.hub, err = f.db.Hub("Bench", embedded.HubOptions{Partitions: partitions, Create: true})
	if err != nil {
		return errors.Join(err, f.db.Close())
	}
	return nil
}

// reopen closes the store and opens it again.
func (f *folder) reopen() error {
	if err := f.db.Close(); err != nil {
		return err
	}
	return f.open(0)
}

// close closes the store and removes it.
func (f *folder) close() error { return errors.Join(f.db.Close(), os.RemoveAll(f.dir)) }

// withFolder calls f with an empty store.
func withFolder(site site, f func(f *folder) ([]metric, error)) ([]metric, error) {
	store, err := openFolder(site)
	if err != nil {
		return nil, err
	}
	metrics, err := f(store)
	return metrics, errors.Join(err, store.close())
}

// acquire takes all partitions of the hub.
func (f *folder) acquire(ctx context.Context) ([]engine.Epoch, error) {
	epochs := make([]engine.Epoch, f.hub.Partitions())
	for partition := range epochs {
		var err error
		if epochs[partition], err = f.hub.Acquire(ctx, partition); err != nil {
			return nil, fmt.Errorf("acquire partition %d: %w", partition, err)
		}
	}
	return epochs, nil
}

// bytes returns how much disk the store takes.
func (f *folder) bytes() (sum int64, err error) {
	err = filepath.WalkDir(f.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the store just removed it
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
