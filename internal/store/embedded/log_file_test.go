package embedded

import (
	"bytes"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestLogsAreFilledAhead writes to a log, and looks how long the file is after each write:
// where that does not change, a sync has only the bytes to write.
func TestLogsAreFilledAhead(t *testing.T) {
	disk := vfs.NewMem()
	fs := filledLogs{disk}
	written := []byte(nil)
	step := func(file vfs.File, n int, wantLength int64) {
		t.Helper()
		p := bytes.Repeat([]byte{byte(len(written)%250 + 1)}, n)
		written = append(written, p...) // before: the file system may change p
		if _, err := file.Write(p); err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != wantLength {
			t.Errorf("after %d bytes, the last %d at once, the file has %d, want %d", len(written), n, info.Size(), wantLength)
		}
	}
	log, err := fs.Create("1.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	step(log, 500, fillBytes)
	step(log, 500, fillBytes)
	step(log, fillBytes, 1000+fillBytes) // a large write, behind what is filled
	step(log, smallWrite, 2*fillBytes)
	step(log, fillBytes, 1000+2*fillBytes+smallWrite)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	end := int64(len(written))
	written = nil
	log, err = fs.ReuseForWrite("1.log", "2.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	step(log, 500, end) // nothing of it is filled again
	step(log, int(end)-500-smallWrite, end)
	step(log, smallWrite, end)
	step(log, 1, 3*fillBytes)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := disk.Open("2.log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content[:len(written)], written) || len(bytes.Trim(content[len(written):], "\x00")) > 0 {
		t.Error("the log does not hold what was written, and zeros behind it")
	}

	other, err := fs.Create("1.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	written = nil
	step(other, 500, 500)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestALogThatCannotBeFilledIsWritten fails each write that fills, as a full disk does.
func TestALogThatCannotBeFilledIsWritten(t *testing.T) {
	disk := vfs.NewMem()
	fs := filledLogs{errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt {
			return errorfs.ErrInjected
		}
		return nil
	}))}
	log, err := fs.Create("1.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n, err := log.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if info, err := log.Stat(); err != nil || info.Size() != 9 {
		t.Errorf("the log has %d bytes, %v, want 9", info.Size(), err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
