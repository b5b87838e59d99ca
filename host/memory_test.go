package host

import (
	"testing"
	"testing/fstest"
)

func TestCgroupMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int64 // 0: none
	}{
		"none":      {fstest.MapFS{}, 0},
		"version 2": {fstest.MapFS{"proc/self/cgroup": file("0::/app/web\n"), "sys/fs/cgroup/app/web/memory.max": file("1073741824\n")}, 1 << 30},
		"version 2, the one above is less": {fstest.MapFS{
			"proc/self/cgroup": file("0::/app/web\n"), "sys/fs/cgroup/app/web/memory.max": file("max\n"), "sys/fs/cgroup/app/memory.max": file("536870912\n"),
		}, 512 << 20},
		"version 2 in a container":  {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("2147483648\n")}, 2 << 30},
		"version 2 without a limit": {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		"version 1": {fstest.MapFS{
			"proc/self/cgroup": file("5:cpu:/docker/a\n4:memory:/docker/a\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("1073741824\n"),
		}, 1 << 30},
		"version 1 without a limit": {fstest.MapFS{
			"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 0},
		"strange": {fstest.MapFS{"proc/self/cgroup": file("?\n0::\n"), "sys/fs/cgroup/memory.max": file("much\n")}, 0},
	} {
		got, ok := cgroupMemory(c.root)
		if !ok {
			got = 0
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := goMemory(1 << 30); got < 1<<29 || got > (1<<30)/10*9 {
		t.Errorf("goMemory of 1 GiB = %d", got)
	}
}
