package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/private"
	"github.com/perdure/perdure/internal/store"
)

const lockName = "lock"

// holder is what a lock file says of the process that holds it.
type holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// lockFolder locks dir until the closer is closed or the process ends. The
// lock's file stays.
func lockFolder(dir string) (io.Closer, error) {
	file, err := private.Open(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, folderError(dir, err)
	}
	if err := private.TryLock(file); err != nil {
		defer file.Close()
		if errors.Is(err, private.ErrHeld) {
			return nil, lockedError(dir, file)
		}
		return nil, fmt.Errorf("lock store folder %s: %w", dir, err)
	}
	if err := writeHolder(file); err != nil {
		file.Close()
		return nil, folderError(dir, err)
	}
	return file, nil
}

func writeHolder(file *os.File) error {
	note, err := json.Marshal(holder{PID: os.Getpid(), Command: command(os.Args), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(note, '\n'), 0)
	return err
}

// lockedError reads who holds the lock. The note may be missing: its holder may
// be about to write it.
func lockedError(dir string, file *os.File) error {
	var h holder
	if note, err := io.ReadAll(file); err != nil || json.Unmarshal(note, &h) != nil {
		h = holder{}
	}
	return &store.LockedError{Dir: dir, PID: h.PID, Command: h.Command, Since: h.Since}
}

// command returns the program and its first words, without flags: those may
// hold secrets.
func command(args []string) string {
	if len(args) == 0 {
		return ""
	}
	words := []string{filepath.Base(args[0])}
	for _, arg := range args[1:] {
		if strings.HasPrefix(arg, "-") {
			break
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
