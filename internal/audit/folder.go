package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/perdure/perdure/internal/private"
)

const (
	suffix  = ".jsonl"
	newFile = "next.new" // what a file is called until its first line is stored
)

// makeFolder makes dir if need be, for its owner only.
func makeFolder(dir string) error {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		return troubled(syncDir(filepath.Dir(dir)))
	case !errors.Is(err, fs.ErrExist):
		return troubled(err)
	}
	_, err := private.Folder(dir, 0o700)
	return err
}

// troubled says of the usual troubles what to do.
func troubled(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: make it yours, with mode 0700 for the folder and 0600 for its files", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room", err)
	}
	return err
}

// syncDir makes durable which files dir holds.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it cannot be asked for there
	}
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// names returns the files of the audit in dir, in no order that counts.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, troubled(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// freeName is that of the next file of a day.
func freeName(taken []string, day string) string {
	highest := 0
	for _, name := range taken {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(name, suffix), day)
		if !ok {
			continue
		}
		highest = max(highest, 1)
		if n, err := strconv.Atoi(strings.TrimPrefix(rest, "-")); err == nil {
			highest = max(highest, n)
		}
	}
	if highest == 0 {
		return day + suffix
	}
	return fmt.Sprintf("%s-%d%s", day, highest+1, suffix)
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
