package audit

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Three files of a first line and four others each: 1 to 5, 6 to 10, 11 to 15.
func written(t *testing.T) (dir string, names [3]string, head string) {
	dir = filepath.Join(t.TempDir(), "audit")
	synctest.Test(t, func(t *testing.T) {
		l := openLog(t, dir, Options{})
		for day := range 3 {
			put(t, l, "a", "b", "c", "d")
			names[day] = l.name
			time.Sleep(24 * time.Hour)
		}
		head = headOf(l.tail.n, l.tail.hash)
	})
	return dir, names, head
}

func TestVerifyFindsWhatWasDoneToTheFiles(t *testing.T) {
	original, names, head := written(t)
	verified(t, original, head)
	read := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(original, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	// sealed is lines with new hashes, as somebody who knows the form writes them.
	sealed := func(lines []string, from int) []string {
		_, previous, _ := open([]byte(lines[from-1]))
		for i := from; i < len(lines); i++ {
			line := lines[i]
			if !strings.HasSuffix(line, "\n") {
				line += "\n"
			}
			body, _, _ := open([]byte(line))
			previous = sum(previous, body)
			lines[i] = string(body) + hashMember + previous + lineEnd
		}
		return lines
	}
	edited := func(line string) string { return strings.Replace(line, `"what":"b"`, `"what":"x"`, 1) }
	for _, tt := range []struct {
		name string
		do   func(dir string) // nil: change is
		file int              // whose lines change gets
		edit func(lines []string) []string
		head string
		want string // of the first fault; empty: there is none
	}{
		{name: "a line edited", file: 0, edit: func(l []string) []string { l[2] = edited(l[2]); return l }, want: "does not follow"},
		{name: "a line edited in the newest file", file: 2, edit: func(l []string) []string { l[2] = edited(l[2]); return l }, want: "does not follow"},
		{name: "a line edited and sealed", file: 1, edit: func(l []string) []string { l[2] = edited(l[2]); return append(sealed(l[:3], 2), l[3:]...) }, want: "does not follow"},
		{name: "a whole rest of a file sealed anew", file: 1, edit: func(l []string) []string { l[2] = edited(l[2]); return sealed(l, 2) }, want: "does not follow the last line of"},
		{name: "a line made no line", file: 1, edit: func(l []string) []string { l[2] = "x" + l[2]; return l }, want: "this is no line"},
		{name: "a line feed taken", file: 1, edit: func(l []string) []string { l[2] = strings.TrimSuffix(l[2], "\n"); return l }, want: "it was edited"},
		{name: "a line removed", file: 1, edit: func(l []string) []string { return append(l[:2], l[3:]...) }, want: "line 8 is missing"},
		{name: "lines removed in the newest file", file: 2, edit: func(l []string) []string { return append(l[:1], l[3:]...) }, want: "lines 12 to 13 are missing"},
		{name: "a line removed, the rest sealed", file: 1, edit: func(l []string) []string { return sealed(append(l[:2], l[3:]...), 2) }, want: "line 8 is missing"},
		{name: "a line twice", file: 1, edit: func(l []string) []string { return append(l[:3], l[2:]...) }, want: "it was put there"},
		{name: "two lines changed over", file: 1, edit: func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, want: "is missing"},
		{name: "the first line removed", file: 1, edit: func(l []string) []string { return l[1:] }, want: "its first line is missing"},
		{name: "the first line edited", file: 1, edit: func(l []string) []string { l[0] = strings.Replace(l[0], `"file":2`, `"file":3`, 1); return l }, want: "its first line is missing or not true"},
		{name: "an older file cut at a line", file: 0, edit: func(l []string) []string { return l[:4] }, want: "it does not follow the last line of"},
		{name: "an older file cut in a line", file: 0, edit: func(l []string) []string { l[4] = l[4][:9]; return l }, want: "are no line"},
		{name: "something put at the end of an older file", file: 0, edit: func(l []string) []string { return append(l, "\nx") }, want: "are no line"},
		{name: "an older file emptied", file: 0, edit: func([]string) []string { return nil }, want: "its first line is missing"},
		{name: "the newest file emptied", file: 2, edit: func([]string) []string { return nil }, want: "its first line is missing"},
		{name: "zeros over the middle", file: 1, edit: func(l []string) []string { l[2] = strings.Repeat("\x00", len(l[2])); return l }, want: "this is no line"},
		{name: "the oldest file removed", do: func(dir string) { os.Remove(filepath.Join(dir, names[0])) }, want: "file 1 is missing, and no line tells"},
		{name: "a file in the middle removed", do: func(dir string) { os.Remove(filepath.Join(dir, names[1])) }, want: "file 2 is missing"},
		{name: "a file twice", do: func(dir string) {
			write(t, filepath.Join(dir, "2000-01-02-2.jsonl"), []byte(strings.Join(read(names[1]), "")+"\n"))
		}, want: "one of them is a copy"},
		{name: "a file under another name", do: func(dir string) { os.Rename(filepath.Join(dir, names[0]), filepath.Join(dir, "2031-01-01.jsonl")) }},
		{name: "the newest line cut off", file: 2, edit: func(l []string) []string { return l[:4] }}, // nobody can tell
		{name: "the newest line cut off, with a head", file: 2, edit: func(l []string) []string { return l[:4] }, head: head, want: "line 15 is missing"},
		{name: "the newest file removed, with a head", do: func(dir string) { os.Remove(filepath.Join(dir, names[2])) }, head: head, want: "line 15 is missing"},
		{name: "the newest lines written anew, with a head", file: 2, edit: func(l []string) []string { l[2] = edited(l[2]); return sealed(l, 2) }, head: head, want: "line 15 has another hash"},
		{name: "all removed, with a head", do: func(dir string) { os.RemoveAll(dir) }, head: head, want: "line 15 is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, restarted := range []bool{false, true} {
				dir := filepath.Join(t.TempDir(), "audit")
				if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
					t.Fatal(err)
				}
				if tt.do != nil {
					tt.do(dir)
				} else {
					text := strings.Join(tt.edit(read(names[tt.file])), "")
					if text != "" && !strings.HasSuffix(text, "x") && !strings.Contains(tt.name, "cut in") {
						text = strings.TrimSuffix(text, "\n") + "\n"
					}
					write(t, filepath.Join(dir, names[tt.file]), []byte(text))
				}
				if restarted { // and the next line hides nothing
					put(t, openLog(t, dir, Options{}), "next")
				}
				r, err := Verify(dir, tt.head)
				if err != nil {
					t.Fatal(err)
				}
				all := ""
				for _, f := range r.Faults {
					all += f.Text + "\n"
				}
				want := tt.want
				if restarted && strings.HasPrefix(want, "line 15 is missing") {
					want = "line 15 " // the new line may have that number
				}
				if want == "" && len(r.Faults) > 0 || !strings.Contains(all, want) {
					t.Errorf("restarted %v: Verify(%q) finds\n%swant %q", restarted, tt.head, all, want)
				}
			}
		})
	}
}

func TestVerifyTellsOfNoAudit(t *testing.T) {
	r, err := Verify(filepath.Join(t.TempDir(), "audit"), "")
	if err != nil || r.Lines != 0 || r.Head != "" || len(r.Faults) > 0 {
		t.Errorf("Verify() of no folder = %+v, %v, want nothing", r, err)
	}
	for _, head := range []string{"1", "x:y", "1:ab", "0:" + strings.Repeat("a", hashLen)} {
		if _, err := Verify(t.TempDir(), head); err == nil || !strings.Contains(err.Error(), "is not the head") {
			t.Errorf("Verify(%q) error = %v, want it refused", head, err)
		}
	}
}

// A line that is missing from the rest of a file is not taken for a crash when the chain
// goes on behind it.
func TestAStartTellsOfDamageAndGoesOn(t *testing.T) {
	dir, names, _ := written(t)
	path := filepath.Join(dir, names[2])
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, []byte(strings.Replace(string(text), `"what":"b"`, `"what":"x"`, 1)))
	var log strings.Builder
	l := openLog(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	put(t, l, "next")
	if want := "what follows line 12 does not belong there"; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log is %q, want it to tell %q", &log, want)
	}
	if again, err := os.ReadFile(path); err != nil || len(again) != len(text) {
		t.Errorf("the damaged file has %d bytes (%v), want all %d", len(again), err, len(text))
	}
}
