package embedded

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/perdure/perdure/internal/private"
)

// checkFolderOwner refuses a folder that is another user's, or that others can write and we
// cannot keep them from it. A link to it is followed: who may make one where we look
// is not decided in the folder.
func checkFolderOwner(dir string, log *slog.Logger) error {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return folderError(dir, err)
	}
	warning, err := private.Folder(target, 0o755)
	if err != nil {
		return fmt.Errorf("store folder: %w", err)
	}
	if warning != "" {
		log.Warn("store folder", "warning", warning)
	}
	return nil
}
