package embedded

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/perdure/perdure/internal/store"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	for _, number := range []uint64{0, 1, 999, math.MaxUint32, 1<<48 - 1} {
		word := seal(number)
		if got, ok := unseal(word); got != number || !ok {
			t.Errorf("unseal(seal(%d)) = %d, %t", number, got, ok)
		}
		for bit := range 64 {
			if got, ok := unseal(word ^ 1<<bit); ok {
				t.Errorf("with bit %d of seal(%d) flipped it is %d", bit, number, got)
			}
		}
	}
}

// A witness is durable within witnessDelay of a commit, or after so many.
func TestWitnessIsDurableSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		durable := func() uint64 {
			number, err := readWitness(disk.CrashClone(vfs.CrashCloneCfg{}), "", 7)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
		if err := writeWitness(disk, "", 7, 1); err != nil {
			t.Fatal(err)
		}
		w, err := openWitness(disk, "", 1, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		w.advance(3)
		w.advance(2) // ended later
		if got := durable(); got != 1 {
			t.Errorf("at once %d is durable, want 1", got)
		}
		time.Sleep(witnessDelay)
		synctest.Wait()
		if got := durable(); got != 3 {
			t.Errorf("after a while %d is durable, want 3", got)
		}
		w.advance(witnessCommits)
		time.Sleep(time.Nanosecond) // until the timer
		synctest.Wait()
		if got := durable(); got != witnessCommits {
			t.Errorf("after many commits %d is durable, want %d", got, witnessCommits)
		}
		w.advance(witnessCommits + 1)
		if err := w.close(); err != nil {
			t.Error(err)
		}
		if got := durable(); got != witnessCommits+1 {
			t.Errorf("after the end %d is durable, want %d", got, witnessCommits+1)
		}
	})
}

// A process that is killed leaves a witness of all that it acknowledged.
func TestWitnessOfAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := privateDisk{vfs.Default}
	if err := writeWitness(disk, dir, 7, 1); err != nil {
		t.Fatal(err)
	}
	w, err := openWitness(disk, dir, 1, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if w.memory == nil {
		t.Skip("files are not mapped here")
	}
	w.advance(5)
	if got, err := readWitness(disk, dir, 7); got != 5 || err != nil {
		t.Errorf("the file knows %d, error %v; want 5", got, err)
	}
}

// What a crash leaves of a commit under way is cut off, and that is told.
func TestCutIsTold(t *testing.T) {
	t.Parallel()
	dir, want := filled(t)
	logs, err := filepath.Glob(filepath.Join(dir, "data", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	newest := logs[len(logs)-1]
	content, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	end := endOfLog(t, dir)
	half := append(content[:end:end], content[:100]...) // the beginning of a commit, which does not go on
	if err := os.WriteFile(newest, append(half, make([]byte, 1<<16)...), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cut, ok := db.Cut()
	if !ok || cut.Commits != 1 || filepath.Join(dir, cut.Log) != newest || cut.Bytes == 0 {
		t.Errorf("Cut = %+v, %t; want one commit of %s", cut, ok, newest)
	}
	hub, err := db.Hub("h", store.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := answersOf(t, hub); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// endOfLog returns where the last commit of a folder's newest log ends.
func endOfLog(t *testing.T, dir string) int64 {
	t.Helper()
	logs, err := wal.Scan(wal.Dir{FS: vfs.Default, Dirname: filepath.Join(dir, dataFolder)})
	if err != nil {
		t.Fatal(err)
	}
	records := logs[len(logs)-1].OpenForRead()
	defer records.Close()
	for {
		if _, offset, err := records.NextRecord(); err != nil {
			return offset.Physical
		}
	}
}
