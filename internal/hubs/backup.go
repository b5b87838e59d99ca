package hubs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"path/filepath"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/backup"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/store"
)

const backupWord = "backup"

// Backup makes the folder dir a backup of the configured store, with what was
// acknowledged before the call. If a host holds the store, that host does it,
// on its machine and as its user. dir is absolute. Errors: [ErrNoStore], and
// what is wrong with dir.
func Backup(ctx context.Context, cfg *config.Config, dir string) (*backup.Result, error) {
	db, err := openExisting(ctx, cfg, Opening{})
	if isLocked(err) {
		ep, err := hostOf(cfg, err)
		if err != nil {
			return nil, err
		}
		result := new(backup.Result)
		return result, ep.ask(ctx, backupWord, url.Values{"dir": {dir}}, result)
	}
	if err != nil {
		return nil, err
	}
	result, err := backUp(ctx, db, cfg, dir)
	return result, errors.Join(err, db.Close())
}

// backUpHere is [Backup] in the host that holds the store. It is noted in the
// audit, as all that leaves the hub is.
func (r *Hub) backUpHere(ctx context.Context, query url.Values) (any, error) {
	dir := query.Get("dir")
	if len(query) != 1 || !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("%w: an absolute path is needed as dir, and nothing else", client.ErrInvalidArgument)
	}
	ctx, done := r.Hubs.whileOpen(ctx)
	defer done()
	asked, err := r.ForCallers().ask(ctx, "backup", "", "", slog.String("folder", dir))
	var result *backup.Result
	if err == nil {
		result, err = backUp(ctx, r.Hubs.db, r.Hubs.Config, dir)
	}
	if err != nil {
		asked.done(ctx, err)
		return nil, err
	}
	asked.done(ctx, nil, slog.Uint64("commits", result.Commits), slog.Int64("bytes", result.Bytes()), slog.Int64("copied", result.CopiedBytes))
	return result, nil
}

func backUp(ctx context.Context, db store.Provider, cfg *config.Config, dir string) (*backup.Result, error) {
	folder, ok := db.(interface {
		Backup(ctx context.Context, dir string, others []string) (*backup.Result, error)
	})
	if !ok {
		return nil, fmt.Errorf("%w: the store is no folder: back it up as its database is", client.ErrUnsupported)
	}
	others, err := ownFiles(cfg)
	if err != nil {
		return nil, err
	}
	return folder.Backup(ctx, dir, others)
}

// ownFiles are the files of the host that are in a backup: the keys, what signs
// links, so that those that were handed out go on to work, and the audit. What
// concerns a process that runs is not.
func ownFiles(cfg *config.Config) ([]string, error) {
	files := []string{"keys.json", "link-secret"}
	lines, err := filepath.Glob(filepath.Join(AuditDir(cfg), "*.jsonl"))
	for _, file := range lines {
		files = append(files, path.Join("audit", filepath.Base(file)))
	}
	return files, err
}
