package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
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
	f.hub, err = f.db.Hub("Bench", store.HubOptions{Partitions: partitions, Create: true})
	if err != nil {
		return errors.Join(err, f.db.Close())
	}
	return nil
}

// serve opens the store again, which was closed, and starts a hub on it. It
// returns the hub and how many seconds it took until the first hello has completed.
func (f *folder) serve(ctx context.Context) (*process, float64, error) {
	began := time.Now()
	if err := f.open(0); err != nil {
		return nil, 0, err
	}
	p, err := startProcess(ctx, f)
	return p, time.Since(began).Seconds(), err
}

// close closes the store, unless that was done, and removes it.
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

// own joins the hub and takes all partitions of it.
func (f *folder) own(ctx context.Context) (store.Tenure, error) {
	owner, err := f.hub.Join(ctx, store.Node{})
	if err != nil {
		return nil, fmt.Errorf("join the hub: %w", err)
	}
	all := make([]int, f.hub.Partitions())
	for partition := range all {
		all[partition] = partition
	}
	if _, err := owner.Acquire(ctx, all...); err != nil {
		return nil, fmt.Errorf("acquire %d partitions: %w", len(all), err)
	}
	return owner, nil
}

// bytes returns how much disk the store takes in all, and how much of that is
// tables: the rest is mostly logs, of which Pebble keeps some to write into again.
func (f *folder) bytes() (all, tables int64, err error) {
	err = filepath.WalkDir(f.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the store just removed it
		}
		if err != nil {
			return err
		}
		all += info.Size()
		if filepath.Ext(file) == ".sst" {
			tables += info.Size()
		}
		return nil
	})
	return all, tables, err
}

// quietBytes returns how much disk the tables take when the store does nothing
// any more by itself, or after a minute: when that has not changed for a while.
func (f *folder) quietBytes(ctx context.Context, while time.Duration) (int64, error) {
	_, before, err := f.bytes()
	for range 60 {
		if err != nil {
			return 0, err
		}
		if err := rest(ctx, while); err != nil {
			return 0, err
		}
		var now int64
		if _, now, err = f.bytes(); now == before {
			break
		}
		before = now
	}
	return before, err
}
