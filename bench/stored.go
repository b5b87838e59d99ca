package main

import (
	"context"
)

// runStored measures what completed hellos cost on disk, and how long a hub with
// many of them takes to start.
func runStored(ctx context.Context, site site) ([]metric, error) {
	l, err := helloLife(ctx, site)
	if err != nil {
		return nil, err
	}
	return withFolder(site, func(f *folder) ([]metric, error) {
		n := site.size.stored
		if _, err := f.fill(ctx, l, n); err != nil {
			return nil, err
		}
		left, err := f.quietBytes(ctx, site.size.idle/5)
		if err != nil {
			return nil, err
		}
		if err := f.db.Compact(ctx); err != nil {
			return nil, err
		}
		if err := f.db.Close(); err != nil { // which removes what is obsolete
			return nil, err
		}
		all, tables, err := f.bytes()
		if err != nil {
			return nil, err
		}
		p, took, err := f.serve(ctx)
		if err != nil {
			return nil, err
		}
		return []metric{
			{"disk_compacted", float64(tables) / float64(n), "B/orchestration"},
			{"disk_by_itself", float64(left) / float64(n), "B/orchestration"},
			{"disk_folder", float64(all) / float64(n), "B/orchestration"},
			{"restart", took, "s"},
		}, p.stop()
	})
}
