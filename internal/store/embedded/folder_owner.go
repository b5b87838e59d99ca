package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/perdure/perdure/internal/private"
)

// checkOwner refuses a folder that is another user's, or that others can write
// and we cannot keep them from it, and what in it is the store's and is not
// ours. A link to the folder is followed: who may make one where we look is not
// decided in the folder.
func checkOwner(dir string, log *slog.Logger) error {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return folderError(dir, err)
	}
	if err := checkFolder(target, 0o755, log); err != nil {
		return fmt.Errorf("store folder: %w", err)
	}
	if err := checkFolder(filepath.Join(dir, dataFolder), 0o700, log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store folder %s: %w", dir, err)
	}
	for _, name := range []string{formatFile, witnessFile, acceptFile} {
		file, err := private.Open(filepath.Join(dir, name), os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			return fmt.Errorf("store folder %s: %w", dir, err)
		}
	}
	return nil
}

func checkFolder(path string, most fs.FileMode, log *slog.Logger) error {
	warning, err := private.Folder(path, most)
	if warning != "" {
		log.Warn("store folder", "warning", warning)
	}
	return err
}
