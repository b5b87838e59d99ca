//go:build unix

package host

import "syscall"

// maxFiles is how many descriptors the process may have.
func maxFiles() (uint64, bool) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<32 {
		return 0, false
	}
	return uint64(limit.Cur), true
}
