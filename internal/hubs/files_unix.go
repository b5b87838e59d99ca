//go:build unix

package hubs

import "syscall"

// MaxFiles is how many descriptors the process may have.
func MaxFiles() (uint64, bool) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<32 {
		return 0, false
	}
	return uint64(limit.Cur), true
}
