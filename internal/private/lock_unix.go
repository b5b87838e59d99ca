//go:build unix

package private

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock uses flock, whose lock belongs to the open file: unlike one of fcntl it
// also keeps out others of the same process.
func lock(file *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		switch err := unix.Flock(int(file.Fd()), how); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		default:
			return err
		}
	}
}
