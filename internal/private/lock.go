package private

import (
	"errors"
	"io"
	"os"
)

// ErrHeld is what [TryLock] returns for a file that is locked already.
var ErrHeld = errors.New("lock is held")

// TryLock locks file until it is closed or the process ends. The lock is the
// operating system's, on the open file, so a crash leaves none behind.
func TryLock(file *os.File) error { return lock(file, false) }

// Lock waits until nobody else has the file at path locked, and locks it until
// the closer is closed. The file is made if need be, and stays.
func Lock(path string) (io.Closer, error) {
	file, err := Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := lock(file, true); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
