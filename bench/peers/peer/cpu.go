package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, 100 on Linux everywhere.
const tick = time.Second / 100

// treeTime returns the CPU time, user and system, that this process and all that
// descend from it have used: the peer's library, its client and its servers.
// A process that has ended counts in the one that waited for it.
func treeTime() (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parent, used := map[int]int{}, map[int]time.Duration{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		pid, ppid, ticks, err := parseStat(string(text))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		parent[pid], used[pid] = ppid, time.Duration(ticks)*tick
	}
	root := os.Getpid()
	if _, ok := used[root]; !ok {
		return 0, fmt.Errorf("process %d is not in /proc: CPU times need Linux", root)
	}
	var sum time.Duration
	for pid := range used {
		for at := pid; at > 0; at = parent[at] {
			if at == root {
				sum += used[pid]
				break
			}
		}
	}
	return sum, nil
}

// parseStat reads the text of /proc/PID/stat, see proc_pid_stat(5): pid, parent
// and the sum of utime, stime, cutime and cstime.
func parseStat(text string) (pid, ppid, ticks int, err error) {
	head, tail, ok := strings.Cut(text, " (")
	end := strings.LastIndex(tail, ") ") // the name between may contain anything
	if !ok || end < 0 {
		return 0, 0, 0, fmt.Errorf("stat is %q", text)
	}
	fields := strings.Fields(tail[end+2:]) // from the third on: state, ppid, ...
	number := func(text string) (n int) {
		if err == nil {
			n, err = strconv.Atoi(text)
		}
		return n
	}
	if len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("stat is %q", text)
	}
	pid, ppid = number(head), number(fields[1])
	for _, field := range fields[11:15] {
		ticks += number(field)
	}
	return pid, ppid, ticks, err
}
