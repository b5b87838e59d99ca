package embedded_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/storetest"
)

func mustOpen(t *testing.T, dir string, opts embedded.Options) *embedded.DB {
	t.Helper()
	db, err := embedded.Open(dir, opts)
	if err != nil {
		t.Fatalf("Open(%s): %v", dir, err)
	}
	return db
}

func mustClose(t *testing.T, db *embedded.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "store")
	mustClose(t, mustOpen(t, dir, embedded.Options{}))
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("Stat(%s) = %v, error %v, want mode %o", path, info, err, want)
		}
	}
}

func TestFolderIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string // DIR stands for the folder
	}{
		{"a file", func(t *testing.T, dir string) { os.Remove(dir); write(t, dir, "x") },
			"store folder DIR is, or lies below, a file: remove the file, or name another folder"},
		{"other files", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "main.go"), "x") },
			"folder DIR holds other files, such as main.go, and no Perdure store: name an empty or a new folder"},
		{"newer format", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "FORMAT"), "perdure store format 3\n") },
			"store folder DIR has format version 3, this build reads version 2: use a newer build, or name another folder"},
		{"older format", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "FORMAT"), "perdure store format 1\n") },
			"store folder DIR has format version 1, this build reads version 2: export its instances with the build that made it"},
		{"empty format", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "FORMAT"), "") },
			`store folder DIR: its file FORMAT is damaged (""): restore the folder from a backup; `},
		{"damaged format", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "FORMAT"), "perdure store format x\n") },
			`store folder DIR: its file FORMAT is damaged ("perdure store format x\n"): restore the folder from a backup; `},
		{"format 0", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "FORMAT"), "perdure store format 0\n") },
			`store folder DIR: its file FORMAT is damaged ("perdure store format 0\n"): restore the folder from a backup; `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, dir)
			_, err := embedded.Open(dir, embedded.Options{})
			if err == nil || !strings.HasPrefix(err.Error(), strings.ReplaceAll(tt.want, "DIR", dir)) {
				t.Errorf("Open = error %v, want %s", err, tt.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
				t.Errorf("Open has made a data folder")
			}
		})
	}
}

// A folder below a file cannot be made either.
func TestFolderBelowFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")
	dir := filepath.Join(file, "store")
	if _, err := embedded.Open(dir, embedded.Options{}); !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open(%s) = error %v, want one that names it and is %v", dir, err, syscall.ENOTDIR)
	}
}

func TestTroublesOfTheDiskSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fs.ErrPermission, "no permission to use store folder store: make it yours with mode 0700, or name another folder: permission denied"},
		{syscall.EROFS, "store folder store is on a read-only disk: name another folder: read-only file system"},
		{syscall.ENOSPC, "store folder store is on a full disk: make room, or name another folder: no space left on device"},
		{syscall.EIO, "store folder store: input/output error"},
	} {
		for _, kind := range []errorfs.OpKind{errorfs.OpMkdirAll, errorfs.OpOpenDir, errorfs.OpCreate, errorfs.OpRename} {
			disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == kind {
					return tt.err
				}
				return nil
			}))
			if _, err := embedded.Open("store", embedded.Options{FS: disk}); !errors.Is(err, tt.err) || err.Error() != tt.want {
				t.Errorf("Open(disk whose operation %d gives %v) = error %v, want %s", kind, tt.err, err, tt.want)
			}
		}
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, dir, embedded.Options{})
	_, err := embedded.Open(dir, embedded.Options{})
	var locked *store.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("Open(folder that is open) = error %v, want a *LockedError", err)
	}
	if locked.Dir != dir || locked.PID != os.Getpid() || locked.Command == "" || locked.Since.IsZero() {
		t.Errorf("Open(folder that is open) = %+v, want this process", locked)
	}
	var note struct {
		PID int `json:"pid"`
	}
	if content, err := os.ReadFile(filepath.Join(dir, "lock")); err != nil || json.Unmarshal(content, &note) != nil || note.PID != os.Getpid() {
		t.Errorf("lock file = %q, error %v, want JSON with pid %d", content, err, os.Getpid())
	}
	mustClose(t, db)
	mustClose(t, mustOpen(t, dir, embedded.Options{}))
}

func TestLockedText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  store.LockedError
		want string
	}{
		{store.LockedError{Dir: "/d"}, "store folder /d is in use by another process: stop it, or use another folder"},
		{store.LockedError{Dir: "/d", PID: 7, Command: "perdure start"}, "store folder /d is in use by process 7 (perdure start) since "},
	} {
		if got := tt.err.Error(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%#v.Error() = %s, want %s...", tt.err, got, tt.want)
		}
	}
}

func TestLockedInMemory(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	db := mustOpen(t, "store", embedded.Options{FS: disk})
	defer mustClose(t, db)
	var locked *store.LockedError
	if _, err := embedded.Open("store", embedded.Options{FS: disk}); !errors.As(err, &locked) {
		t.Errorf("Open(folder that is open) = error %v, want a *LockedError", err)
	}
}

// Damage to Pebble's own files is an error that names the folder, and the lock
// is free again.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, embedded.Options{}))
	manifests, err := filepath.Glob(filepath.Join(dir, "data", "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("Glob = %v, error %v", manifests, err)
	}
	for _, path := range manifests {
		write(t, path, "no manifest at all, but long enough to be looked at")
	}
	for range 2 {
		_, err := embedded.Open(dir, embedded.Options{})
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Open(damaged folder) = error %v, want one that names the folder", err)
		}
		if errors.As(err, new(*store.LockedError)) {
			t.Errorf("Open(damaged folder) leaves it locked: %v", err)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, "store", embedded.Options{FS: vfs.NewMem()})
	hub, err := db.Hub("h", store.HubOptions{Create: true})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	owner, _ := storetest.Own(t, hub)
	mustClose(t, db)
	mustClose(t, db)
	for call, err := range map[string]error{
		"Hub":          func() error { _, err := db.Hub("h", store.HubOptions{}); return err }(),
		"Commit":       owner.Commit(t.Context(), 0, nil),
		"FindInstance": func() error { _, _, err := hub.FindInstance(t.Context(), "i"); return err }(),
		"LastNumber":   func() error { _, err := hub.LastNumber(t.Context()); return err }(),
	} {
		if !errors.Is(err, embedded.ErrClosed) || !errors.Is(err, store.ErrBroken) {
			t.Errorf("%s after Close = error %v, want %v", call, err, embedded.ErrClosed)
		}
	}
}
