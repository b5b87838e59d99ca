package embedded

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	fillBytes  = 128 << 10 // so much of a log is filled at a time
	smallWrite = 8 << 10   // a write up to which filling pays
)

// filledLogs is a file system on which logs are filled with zeros a little
// ahead of what is written. To sync a write behind the end of a file the disk
// must write its new length and place too; to sync one into what was there
// before, only its bytes. Most commits of a busy store go into logs that Pebble
// uses again; all of a new one, and those after each start, would be of the
// dear kind.
//
// Filling costs as many bytes as it spares syncs, so it is left to small
// writes: many fit into what one fills. Zeros at the end of a log are what
// Pebble takes for its end.
type filledLogs struct{ vfs.FS }

func (f filledLogs) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return file, err
	}
	return &filledLog{File: file}, nil
}

func (f filledLogs) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, category)
	if err != nil || !strings.HasSuffix(to, ".log") {
		return file, err
	}
	log := &filledLog{File: file}
	if info, err := file.Stat(); err == nil { // else it is filled again
		log.filled = info.Size()
	}
	return log, nil
}

func (f filledLogs) Unwrap() vfs.FS { return f.FS }

// filledLog is a log that is written from its beginning on, by one goroutine at
// a time.
type filledLog struct {
	vfs.File
	end    int64 // of what is written
	filled int64 // what was written before, or filled
}

var zeros [fillBytes]byte

func (l *filledLog) Write(p []byte) (int, error) {
	n, err := l.File.Write(p)
	l.end += int64(n)
	if l.end <= l.filled || err != nil {
		return n, err
	}
	l.filled = l.end
	if n <= smallWrite {
		// What does not succeed, on a full disk perhaps, is tried again by the
		// next write, and what then was not filled is appended.
		more, _ := l.File.WriteAt(zeros[:fillBytes-l.end%fillBytes], l.end)
		l.filled += int64(more)
	}
	return n, nil
}
