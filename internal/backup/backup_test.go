package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// files are what a store holds, by path. What ends in .sst never changes.
type files map[string]string

var (
	monday  = files{"FORMAT": "f", "data/1.sst": "one", "data/2.sst": "two", "data/log": "l1", "data/empty": ""}
	tuesday = files{"FORMAT": "f", "data/2.sst": "two", "data/3.sst": "three", "data/log": "l2", "data/empty": ""}
)

func put(t *testing.T, disk vfs.FS, path, content string) {
	t.Helper()
	if err := disk.MkdirAll(disk.PathDir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := writeFile(t.Context(), disk, path, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, disk vfs.FS, path string) string {
	t.Helper()
	file, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// backUp makes a backup of a store of these files into the folder "b".
func backUp(t *testing.T, disk vfs.FS, store string, commits uint64, content files) (*Result, error) {
	t.Helper()
	var sources []Source
	for _, path := range slices.Sorted(maps.Keys(content)) {
		from := disk.PathJoin("store", path)
		put(t, vfs.Root(disk), from, content[path])
		sources = append(sources, Source{Path: path, From: from, Bytes: int64(len(content[path])), Immutable: strings.HasSuffix(path, ".sst")})
	}
	folder, err := Open(disk, "b")
	if err != nil {
		return nil, err
	}
	result, err := folder.Write(t.Context(), Origin{Store: store, Commits: commits}, sources)
	return result, errors.Join(err, folder.Close())
}

func mustBackUp(t *testing.T, disk vfs.FS, commits uint64, content files) *Result {
	t.Helper()
	result, err := backUp(t, disk, "s", commits, content)
	if err != nil {
		t.Fatalf("backup %d: %v", commits, err)
	}
	return result
}

// check fails unless the folder "b" holds a backup that restores to one of these contents,
// and returns which.
func restoresTo(t *testing.T, disk vfs.FS, want ...files) int {
	t.Helper()
	b, err := Verify(t.Context(), disk, "b")
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if err := disk.RemoveAll("to"); err != nil {
		t.Fatal(err)
	}
	if _, err := Extract(t.Context(), disk, "b", "to"); err != nil {
		t.Fatalf("Extract: %v", err)
	}
	got := files{}
	for _, f := range b.Files {
		got[f.Path] = get(t, disk, disk.PathJoin("to", f.Path))
	}
	at := slices.IndexFunc(want, func(w files) bool { return maps.Equal(w, got) })
	if at < 0 {
		t.Fatalf("the backup restores to %v, want one of %v", got, want)
	}
	return at
}

// contents lists the checksums in the folder "b", and what is half made there.
func contents(t *testing.T, disk vfs.FS) []string {
	t.Helper()
	names, err := disk.List(disk.PathJoin("b", filesFolder))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestBackup_CopiesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	if r := mustBackUp(t, disk, 1, monday); r.CopiedFiles != 5 || r.CopiedBytes != 9 || r.Bytes() != 9 {
		t.Errorf("the first backup copied %d files with %d of %d bytes, want all 5 with 9", r.CopiedFiles, r.CopiedBytes, r.Bytes())
	}
	if r := mustBackUp(t, disk, 2, tuesday); r.CopiedFiles != 4 || r.CopiedBytes != 8 {
		t.Errorf("the next one copied %d files with %d bytes, want the 4 with 8 that are no table of the first", r.CopiedFiles, r.CopiedBytes)
	}
	restoresTo(t, disk, tuesday)
	if left := contents(t, disk); len(left) != 5 {
		t.Errorf("the folder holds %d contents, want the 5 of the newest backup: %v", len(left), left)
	}
}

// A backup that fails, or whose machine stops, at any operation leaves the one before or
// the new one, whole; and the next one is made, with nothing left over.
func TestBackup_EndsAnywhere(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"full disk", "crash"} {
		steps := 0
		for ; ; steps++ {
			disk := vfs.NewCrashableMem()
			mustBackUp(t, disk, 1, monday)
			var ops atomic.Int64
			var after *vfs.MemFS
			failing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !strings.HasPrefix(op.Path, "b") || ops.Add(1) <= int64(steps) {
					return nil
				}
				if after == nil {
					after = disk.CrashClone(vfs.CrashCloneCfg{})
				}
				return syscall.ENOSPC
			}))
			_, err := backUp(t, failing, "s", 2, tuesday)
			if after == nil {
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				break
			}
			if how == "full disk" {
				after = disk
			}
			at := restoresTo(t, after, monday, tuesday)
			if err == nil && at == 0 {
				t.Errorf("%s at operation %d: the backup succeeded, and the folder holds the one before", how, steps)
			}
			mustBackUp(t, after, 3, tuesday)
			restoresTo(t, after, tuesday)
			if left := contents(t, after); len(left) != 5 {
				t.Errorf("%s at operation %d: the next backup leaves %v, want its 5 contents", how, steps, left)
			}
		}
		if steps < 20 {
			t.Errorf("%s: a backup has %d operations, want many", how, steps)
		}
	}
}

// A first backup that does not end is no backup.
func TestBackup_FirstEndsAnywhere(t *testing.T) {
	t.Parallel()
	for steps := 0; ; steps++ {
		disk := vfs.NewMem()
		var ops atomic.Int64
		failing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasPrefix(op.Path, "b") && ops.Add(1) > int64(steps) {
				return syscall.ENOSPC
			}
			return nil
		}))
		_, err := backUp(t, failing, "s", 1, monday)
		if ops.Load() <= int64(steps) {
			return
		}
		if _, readErr := Read(disk, "b"); err != nil && !errors.Is(readErr, ErrNone) && readErr != nil {
			t.Errorf("after a fault at operation %d (%v): Read = %v", steps, err, readErr)
		}
		mustBackUp(t, disk, 1, monday)
		restoresTo(t, disk, monday)
	}
}

// Damage of any file is found, nothing is restored of it, and the next backup mends what
// the store still has.
func TestBackup_Damaged(t *testing.T) {
	t.Parallel()
	damages := map[string]func(content string) string{
		"flipped": func(c string) string { return string(c[0]^1) + c[1:] },
		"cut":     func(c string) string { return c[:len(c)-1] },
		"longer":  func(c string) string { return c + "x" },
		"removed": nil,
	}
	whole := vfs.NewMem()
	names := append(contents(t, mustBackUpOn(t, whole)), "../"+headFile)
	for _, name := range names {
		for how, damage := range damages {
			disk := vfs.NewMem()
			mustBackUpOn(t, disk)
			path := disk.PathJoin("b", filesFolder, name)
			content := get(t, disk, path)
			switch {
			case damage == nil:
				if err := disk.Remove(path); err != nil {
					t.Fatal(err)
				}
			case content == "" && how != "longer", name == "../"+headFile && how == "cut": // its last byte ends the line
				continue
			default:
				put(t, disk, path, damage(content))
			}
			if _, err := Verify(t.Context(), disk, "b"); err == nil {
				t.Errorf("%s %s: Verify finds nothing", name, how)
			}
			if _, err := Extract(t.Context(), disk, "b", "to"); err == nil {
				t.Errorf("%s %s: Extract finds nothing", name, how)
			}
			if _, err := disk.Stat("to"); err == nil {
				t.Errorf("%s %s: something was restored", name, how)
			}
			if name == "../"+headFile {
				continue
			}
			mustBackUp(t, disk, 2, monday)
			restoresTo(t, disk, monday)
		}
	}
}

func mustBackUpOn(t *testing.T, disk *vfs.MemFS) *vfs.MemFS {
	t.Helper()
	mustBackUp(t, disk, 1, monday)
	return disk
}

func TestVerify_NamesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	r := mustBackUp(t, disk, 1, monday)
	sum := r.Files[slices.IndexFunc(r.Files, func(f File) bool { return f.Path == "data/1.sst" })].SHA256
	put(t, disk, contentPath(disk, "b", sum), "0ne")
	want := fmt.Sprintf("backup b is damaged: data/1.sst: files/%s has another checksum than its name says", sum)
	if _, err := Verify(t.Context(), disk, "b"); err == nil || err.Error() != want {
		t.Errorf("Verify = %v, want %s", err, want)
	}
}

func TestBackup_Refused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(disk *vfs.MemFS)
		want  string
	}{
		{"other files", func(disk *vfs.MemFS) { put(t, disk, "b/photo.jpg", "x") },
			"backup folder b: it holds other files, such as photo.jpg, and no backup: name an empty or a new folder"},
		{"a file", func(disk *vfs.MemFS) { put(t, disk, "b", "x") }, "backup folder b: "},
		{"another store", func(disk *vfs.MemFS) { backUp(t, disk, "other", 1, monday) },
			"backup folder b holds a backup of another store (other, this one is s; "},
		{"a newer backup", func(disk *vfs.MemFS) { backUp(t, disk, "s", 8, monday) },
			"backup folder b holds a newer backup (of commit 8) than this store is (at commit 7)"},
		{"a damaged backup", func(disk *vfs.MemFS) { put(t, disk, "b/"+headFile, "{}") },
			"b/backup.json cannot be used: its checksum does not fit: remove the folder, or name another one"},
		{"a newer format", func(disk *vfs.MemFS) { put(t, disk, "b/"+headFile, `{"perdureBackup":2}`) },
			"b/backup.json cannot be used: it has format version 2, this build reads versions up to 1: use a newer build"},
	} {
		disk := vfs.NewMem()
		tt.spoil(disk)
		if _, err := backUp(t, disk, "s", 7, tuesday); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// small is a disk with little space.
type small struct{ vfs.FS }

func (small) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: keptFree + 8}, nil
}

func TestBackup_NoSpace(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	if _, err := backUp(t, small{disk}, "s", 1, monday); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("backup of 9 bytes where there are 8 = %v, want %v", err, syscall.ENOSPC)
	}
	if left := contents(t, disk); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	mustBackUp(t, disk, 1, monday)
	if _, err := Extract(t.Context(), small{disk}, "b", "to"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Extract of 9 bytes where there are 8 = %v, want %v", err, syscall.ENOSPC)
	}
}

func TestBackup_Cancelled(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	mustBackUp(t, disk, 1, monday)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, disk, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v, want %v", err, context.Canceled)
	}
	if _, err := Extract(ctx, disk, "b", "to"); !errors.Is(err, context.Canceled) {
		t.Errorf("Extract = %v, want %v", err, context.Canceled)
	}
}

// No path of a backup leads out of the folder that it is restored into.
func TestRead_PathsOutside(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../x", "/x", "a/../../x", ""} {
		b := &Backup{Files: []File{{Path: path, SHA256: strings.Repeat("0", 64)}}}
		text, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(text); err == nil || !strings.Contains(err.Error(), "it names a file") {
			t.Errorf("a backup with path %q = %v, want an error", path, err)
		}
	}
}

// Others cannot read a backup, also where its folder was there and is open to them.
func TestBackup_IsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes there")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("b", 0o755); err != nil {
		t.Fatal(err)
	}
	mustBackUp(t, vfs.Default, 1, monday)
	looked := 0
	err := filepath.WalkDir(filepath.Join(dir, "b"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == filepath.Join(dir, "b") || d.Name() == lockFile { // which holds nothing
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		looked++
		return err
	})
	if err != nil || looked < len(monday) {
		t.Errorf("%d files looked at, error %v", looked, err)
	}
}

func FuzzDecode(f *testing.F) {
	text, err := (&Backup{Origin: Origin{Store: "s", Commits: 1}, Files: []File{{"data/1.sst", 3, strings.Repeat("0", 64)}}}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decode(text)
		if err != nil {
			return
		}
		again, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(again); err != nil {
			t.Errorf("decode(encode(decode(%q))) = %v", text, err)
		}
	})
}
