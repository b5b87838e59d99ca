package embedded

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/perdure/perdure/internal/backup"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/storetest"
)

// scripted describes what a store holds after each of the first n commits of [script].
func scripted(t *testing.T, n int) []string {
	t.Helper()
	plain := memory.New(1)
	owner, _ := storetest.Own(t, plain)
	want := []string{describe(t, plain)}
	for i := range n {
		commit(t, owner, i)
		want = append(want, describe(t, plain))
	}
	return want
}

func commit(t *testing.T, owner store.Tenure, i int) {
	t.Helper()
	deltas := script(i)
	if err := owner.Commit(t.Context(), 0, deltas); err != nil {
		t.Errorf("Commit %d: %v", i, err)
	}
}

func mustBackUp(t *testing.T, db *DB, dir string) *backup.Result {
	t.Helper()
	result, err := db.Backup(t.Context(), dir, nil)
	if err != nil {
		t.Fatalf("Backup(%s): %v", dir, err)
	}
	return result
}

// restored restores a backup, and describes what the new store holds.
func restored(t *testing.T, disk vfs.FS, from, dir string) string {
	t.Helper()
	opts := Options{FS: disk, CacheBytes: 1 << 20}
	if _, err := Restore(t.Context(), from, dir, opts, nothing); err != nil {
		t.Fatalf("Restore(%s): %v", dir, err)
	}
	return opened(t, disk, dir)
}

func nothing(string, *DB, *backup.Backup) error { return nil }

func opened(t *testing.T, disk vfs.FS, dir string) string {
	t.Helper()
	db, err := Open(dir, Options{FS: disk, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatalf("Open(%s): %v", dir, err)
	}
	defer db.Close()
	hub, err := db.Hub("h", store.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return describe(t, hub)
}

// What was acknowledged before a backup began is in it, what came meanwhile is in it up to
// some commit, and each backup takes the place of the one before.
func TestBackup_WhileCommitting(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	want := scripted(t, 60)
	for round := range 4 {
		first := round * 15
		for i := range 5 {
			commit(t, owner, first+i)
		}
		var meanwhile sync.WaitGroup
		meanwhile.Go(func() {
			for i := range 10 {
				commit(t, owner, first+5+i)
			}
		})
		mustBackUp(t, hub.db, "b")
		meanwhile.Wait()
		got := restored(t, disk, "b", disk.PathJoin("restored", string(rune('a'+round))))
		if !slices.Contains(want[first+5:first+16], got) {
			t.Errorf("backup %d restores to\n%s\nwant at least\n%s", round, got, want[first+5])
		}
	}
	if _, err := disk.Stat(disk.PathJoin("store", checkpointFolder)); err == nil {
		t.Errorf("the checkpoint is left in the store")
	}
}

// A table that the last backup has is not copied again.
func TestBackup_IsIncremental(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	commit(t, owner, 0)
	if err := hub.db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	mustBackUp(t, hub.db, "b")
	commit(t, owner, 1) // which erases nothing, so nothing is compacted
	result := mustBackUp(t, hub.db, "b")
	tables := 0
	for _, f := range result.Files {
		if isTable(f.Path) {
			tables++
		}
	}
	if copied := result.CopiedFiles; tables == 0 || copied != len(result.Files)-tables {
		t.Errorf("the second backup copied %d of %d files, want all but the %d tables", copied, len(result.Files), tables)
	}
}

// A backup that cannot be made does not harm the store.
func TestBackup_CheckpointFails(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	var left atomic.Int64
	failing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.Contains(op.Path, checkpointFolder) && op.Kind != errorfs.OpRemoveAll && left.Add(-1) < 0 {
			return syscall.ENOSPC
		}
		return nil
	}))
	left.Store(1 << 40)
	hub, owner := openHub(t, "store", Options{FS: failing, CacheBytes: 1 << 20})
	want := scripted(t, 150)
	for i := 0; ; i++ {
		commit(t, owner, i)
		left.Store(int64(i))
		_, err := hub.db.Backup(t.Context(), "b", nil)
		if err == nil {
			if i < 10 {
				t.Errorf("a checkpoint has %d operations, want many", i)
			}
			if got := restored(t, disk, "b", "new"); got != want[i+1] {
				t.Errorf("the backup restores to\n%s\nwant\n%s", got, want[i+1])
			}
			return
		}
		if !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
			t.Fatalf("Backup with a fault at operation %d = %v, want %v", i, err, syscall.ENOSPC)
		}
	}
}

func TestBackup_OneAtATime(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	waiting := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasPrefix(op.Path, "b/") {
			once.Do(func() { close(reached); <-goOn })
		}
		return nil
	}))
	hub, _ := openHub(t, "store", Options{FS: waiting, CacheBytes: 1 << 20})
	done := make(chan error, 1)
	go func() { // awaited below
		_, err := hub.db.Backup(context.Background(), "b", nil)
		done <- err
	}()
	<-reached
	if _, err := hub.db.Backup(t.Context(), "c", nil); !errors.Is(err, ErrBackingUp) {
		t.Errorf("a second Backup = %v, want %v", err, ErrBackingUp)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("Backup = %v", err)
	}
}

// Nothing is backed up into the store itself, or restored into the backup, by whatever name.
func TestBackup_FoldersInEachOther(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }
	db, err := Open(at("store"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for link, to := range map[string]string{"link": "store", "other": "backup"} {
		if err := os.Symlink(at(to), at(link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	for _, dir := range []string{at("store"), at("store", "b"), at("store", "data", "b"), at("link"), at("link", "deep", "b"), at("x", "..", "store", "b")} {
		if _, err := db.Backup(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "is in the store's folder") {
			t.Errorf("Backup(%s) = %v, want a refusal", dir, err)
		}
	}
	mustBackUp(t, db, at("backup"))
	for _, dir := range []string{at("backup", "new"), at("other", "new", "deep")} {
		if _, err := Restore(t.Context(), at("backup"), dir, Options{}, nothing); err == nil || !strings.Contains(err.Error(), "is in the backup") {
			t.Errorf("Restore(%s) = %v, want a refusal", dir, err)
		}
	}
	info, err := os.Stat(at("backup", "files"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can look into the backup's folder: %v, %v", info.Mode(), err)
	}
}

func TestRestore_Refused(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, _ := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	mustBackUp(t, hub.db, "b")
	for _, dir := range []string{"full", "files"} {
		if err := disk.MkdirAll(disk.PathJoin(dir, "photos"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ from, to, want string }{
		{"b", "store", "folder store holds a store: restore into a new folder"},
		{"b", "full", "folder full holds other files, such as photos: restore into a new folder"},
		{"b", "b", "folder b holds other files, such as "},
		{"files", "new", "files: there is no backup"},
		{"nowhere", "new", "nowhere: there is no backup"},
	} {
		_, err := Restore(t.Context(), tt.from, tt.to, Options{FS: disk}, nothing)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Restore(%s to %s) = %v, want %s", tt.from, tt.to, err, tt.want)
		}
	}
	if _, err := disk.Stat("new"); err == nil {
		t.Errorf("a folder was made for nothing")
	}
	fault := errors.New("fault")
	if _, err := Restore(t.Context(), "b", "new", Options{FS: disk}, func(string, *DB, *backup.Backup) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("Restore whose finish fails = %v, want %v", err, fault)
	}
	if _, err := disk.Stat("new"); err == nil {
		t.Errorf("a restore that failed leaves the folder that it made")
	}
}

// A crash at any moment of a restore leaves a whole store or none, and what it leaves can be
// restored into again or is refused.
func TestRestore_EndsAnywhere(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	for i := range 5 {
		commit(t, owner, i)
	}
	mustBackUp(t, hub.db, "b")
	want := scripted(t, 5)[5]
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	var crashes []*vfs.MemFS
	watched := errorfs.Wrap(renaming{disk}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasPrefix(op.Path, "new") {
			mu.Lock()
			defer mu.Unlock()
			crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: len(crashes) % 2 * 50, RNG: rng}))
		}
		return nil
	}))
	if got := restored(t, watched, "b", "new"); got != want {
		t.Fatalf("the backup restores to\n%s\nwant\n%s", got, want)
	}
	stores, none := 0, 0
	for i, after := range crashes {
		if there, _ := isThere(after, after.PathJoin("new", formatFile)); there {
			stores++
			if got := opened(t, after, "new"); got != want {
				t.Errorf("crash %d of %d leaves a store of\n%s\nwant\n%s", i, len(crashes), got, want)
			}
			continue
		}
		none++
		opts := Options{FS: after, CacheBytes: 1 << 20}
		if _, err := Restore(t.Context(), "b", "new", opts, nothing); err == nil {
			if got := opened(t, after, "new"); got != want {
				t.Errorf("after crash %d of %d the next restore has\n%s\nwant\n%s", i, len(crashes), got, want)
			}
		} else if _, opens := Open("new", opts); !strings.Contains(err.Error(), "restore into a new folder") || opens == nil {
			t.Errorf("after crash %d of %d Restore = %v, Open = %v, want refusals", i, len(crashes), err, opens)
		}
	}
	if stores == 0 || none < 20 {
		t.Errorf("%d crashes left a store, %d none: want some, and many", stores, none)
	}
}

// A restored store and the one that was backed up go on apart, and no file of one passes as
// the other's.
func TestRestore_FilesOfBothAreNotMixed(t *testing.T) {
	t.Parallel()
	for _, what := range []string{formatFile, witnessFile, "logs"} {
		disk := vfs.NewMem()
		hub, owner := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
		commit(t, owner, 0)
		mustBackUp(t, hub.db, "b")
		restored(t, disk, "b", "new")
		for i := 1; i < 4; i++ {
			commit(t, owner, i)
		}
		if err := hub.db.Close(); err != nil {
			t.Fatal(err)
		}
		if what != "logs" {
			transplant(t, disk, disk.PathJoin("store", what), disk.PathJoin("new", what))
		} else {
			logs := 0
			for _, dir := range []string{"new", "store"} {
				names, err := disk.List(disk.PathJoin(dir, dataFolder))
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					switch {
					case !strings.HasSuffix(name, ".log"):
					case dir == "new":
						disk.Remove(disk.PathJoin(dir, dataFolder, name))
					default:
						transplant(t, disk, disk.PathJoin(dir, dataFolder, name), disk.PathJoin("new", dataFolder, name))
						logs++
					}
				}
			}
			if logs == 0 {
				t.Fatal("the store has no log")
			}
		}
		if _, err := Open("new", Options{FS: disk}); err == nil || !strings.Contains(err.Error(), "store") {
			t.Errorf("a restored store with %s of the original opens: %v", what, err)
		}
	}
}

func transplant(t *testing.T, disk vfs.FS, from, to string) {
	t.Helper()
	if err := vfs.Copy(disk, from, to); err != nil {
		t.Fatal(err)
	}
}

// What a backup that was killed left in the store goes at the next start.
func TestBackup_CheckpointOfACrash(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	hub, _ := openHub(t, "store", Options{FS: disk, CacheBytes: 1 << 20})
	if err := hub.db.Close(); err != nil {
		t.Fatal(err)
	}
	left := disk.PathJoin("store", checkpointFolder)
	if err := disk.MkdirAll(disk.PathJoin(left, dataFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	opened(t, disk, "store")
	if _, err := disk.Stat(left); err == nil {
		t.Errorf("Open leaves the folder %s", checkpointFolder)
	}
}
