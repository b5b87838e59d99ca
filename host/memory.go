package host

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// storeBytes is what the store has in memory that is none of Go's: tables under
// construction and blocks read from disk.
const storeBytes = 192 << 20

// limitMemory makes Go's collector keep below what the cgroup of the process
// allows, unless GOMEMLIMIT says where to keep: else the system would kill the
// process for memory that is garbage.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if allowed, ok := cgroupMemory(os.DirFS("/")); ok {
		debug.SetMemoryLimit(goMemory(allowed))
	}
}

// goMemory is how much of so many bytes Go may have: a tenth is for stacks of C
// and what the system keeps for the process.
func goMemory(allowed int64) int64 { return max(allowed/10*9-storeBytes, allowed/2) }

// cgroupMemory returns the least limit of the cgroups, of either version, that
// the process is in. root is the root of the file system.
func cgroupMemory(root fs.FS) (least int64, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	least = math.MaxInt64
	for line := range strings.Lines(string(groups)) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[1] == "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[0] != "0":
			continue
		}
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) { // those above count too
			if text, err := fs.ReadFile(root, path.Join(base, at, file)); err == nil {
				if bytes, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bytes > 0 {
					least = min(least, bytes)
				}
			}
			if at == "/" {
				break
			}
		}
	}
	return least, least < 1<<60 // version 1 has about 2^63 for none
}
