package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/store"
)

// A store whose folder is not where it was any more takes nothing in.
func TestReplacedFolderBreaksTheStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		replace    func(dir string) error
	}{
		{"removed", "was removed under it", os.RemoveAll},
		{"moved", "was removed under it", func(dir string) error { return os.Rename(dir, dir+".away") }},
		{"put back", "was replaced under it", func(dir string) error {
			return errors.Join(os.CopyFS(dir+".copy", os.DirFS(dir)), os.RemoveAll(dir), os.Rename(dir+".copy", dir))
		}},
		{"without data", "was removed under it", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "data")) }},
		{"another lock", "was replaced under it", func(dir string) error {
			lock := filepath.Join(dir, "lock")
			return errors.Join(os.WriteFile(lock+".new", nil, 0o600), os.Rename(lock+".new", lock))
		}},
		{"without witness", "was removed under it", func(dir string) error { return os.Remove(filepath.Join(dir, "witness")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			db, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.replace(dir); err != nil {
				t.Fatal(err)
			}
			<-db.broken
			_, err = db.Hub("h", store.HubOptions{Create: true})
			if !errors.Is(err, store.ErrBroken) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Hub = error %v, want %v, %s", err, store.ErrBroken, tt.want)
			}
			if err := db.Close(); !errors.Is(err, store.ErrBroken) {
				t.Errorf("Close = error %v, want %v", err, store.ErrBroken)
			}
		})
	}
}
