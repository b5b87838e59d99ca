package peer

import "testing"

func TestParseStat(t *testing.T) {
	// The name of a process may contain blanks and brackets.
	text := "4242 (a) b (c) S 17 4242 4242 0 -1 4194560 100 2000 0 0 11 22 33 44 20 0 1 0 100 0 0"
	pid, ppid, ticks, err := parseStat(text)
	if pid != 4242 || ppid != 17 || ticks != 11+22+33+44 || err != nil {
		t.Errorf("parseStat(%q) = %d, %d, %d, %v, want 4242, 17, 110, nil", text, pid, ppid, ticks, err)
	}
	for _, text := range []string{"", "4242 a S 17", "4242 (a) S 17 1", "x (a) S 17 4242 4242 0 -1 4194560 100 2000 0 0 11 22 33 44 20"} {
		if _, _, _, err := parseStat(text); err == nil {
			t.Errorf("parseStat(%q) has no error", text)
		}
	}
}

// TestTreeTime uses some CPU time and finds that it has been counted.
func TestTreeTime(t *testing.T) {
	before, err := treeTime()
	if err != nil {
		t.Skip(err) // not Linux
	}
	for {
		after, err := treeTime()
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			return
		}
	}
}
