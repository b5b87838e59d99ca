package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func openLog(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l := Open(dir, o)
	t.Cleanup(func() { l.Close() })
	return l
}

// put stores lines that must be stored.
func put(t *testing.T, l *Log, what ...string) {
	t.Helper()
	for _, w := range what {
		if _, err := l.Append(slog.String("what", w)); err != nil {
			t.Fatalf("Append(%s) error: %v", w, err)
		}
	}
}

func newest(t *testing.T, l *Log) string {
	t.Helper()
	h, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// verified returns the report on a folder without faults.
func verified(t *testing.T, dir, head string) Report {
	t.Helper()
	r, err := Verify(dir, head)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) > 0 {
		t.Errorf("Verify(%q) finds faults in what nobody has touched: %+v", head, r.Faults)
	}
	return r
}

// whats returns what the lines of a folder tell of, but for first lines.
func whats(t *testing.T, dir string) (out []string) {
	t.Helper()
	for line, err := range Lines(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if line.What != whatFile {
			out = append(out, line.What)
		}
	}
	return out
}

func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestTheChainGoesOnFromFileToFileAndStartToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight, 2000-01-01
		dir := filepath.Join(t.TempDir(), "audit")
		l := openLog(t, dir, Options{})
		put(t, l, "a", "b")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openLog(t, dir, Options{MaxFileBytes: 1}) // all are full
		put(t, l, "c", "d")
		time.Sleep(24 * time.Hour)
		l.Close()
		l = openLog(t, dir, Options{})
		put(t, l, "e")
		time.Sleep(24 * time.Hour)
		put(t, l, "f")
		want := []string{"2000-01-01-2.jsonl", "2000-01-01-3.jsonl", "2000-01-01.jsonl", "2000-01-02.jsonl", "2000-01-03.jsonl"}
		if got := files(t, dir); !slices.Equal(got, want) {
			t.Errorf("files are %q, want %q", got, want)
		}
		if got := strings.Join(whats(t, dir), ""); got != "abcdef" {
			t.Errorf("lines are %s, want abcdef", got)
		}
		r := verified(t, dir, newest(t, l))
		if r.Files != 5 || r.Lines != 11 || r.Head != newest(t, l) || len(r.Notes) > 0 {
			t.Errorf("Verify() = %+v, want 5 files of 11 lines", r)
		}
	})
}

func TestAClockThatGoesBackBreaksNoChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(48 * time.Hour)
		put(t, openLog(t, dir, Options{}), "later")
	})
	synctest.Test(t, func(t *testing.T) { put(t, openLog(t, dir, Options{}), "earlier") })
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(48 * time.Hour)
		put(t, openLog(t, dir, Options{}), "again")
	})
	if got := whats(t, dir); !slices.Equal(got, []string{"later", "earlier", "again"}) {
		t.Errorf("lines are %q, want them in the order they were written", got)
	}
	verified(t, dir, "")
}

// Callers that come while a line is being synced are synced together, and none has its
// answer before that.
func TestManyCallersShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "audit")
		l := openLog(t, dir, Options{})
		put(t, l, "first") // the file is there
		syncs, gate := 0, make(chan struct{})
		l.sync = func(f *os.File) error {
			syncs++
			<-gate
			return f.Sync()
		}
		const many = 50
		answers := make(chan uint64, many)
		var callers sync.WaitGroup
		call := func() {
			callers.Go(func() {
				n, err := l.Append(slog.String("what", "x"))
				if err != nil {
					t.Error(err)
				}
				answers <- n
			})
		}
		call()
		synctest.Wait() // the first one syncs
		for range many - 1 {
			call()
		}
		synctest.Wait() // the others wait
		if len(answers) > 0 {
			t.Errorf("%d answers before the first sync has ended", len(answers))
		}
		gate <- struct{}{}
		synctest.Wait()
		if len(answers) != 1 {
			t.Errorf("%d answers after the first sync, want the one that was in it", len(answers))
		}
		gate <- struct{}{}
		callers.Wait()
		if syncs != 2 {
			t.Errorf("%d syncs for %d callers, want 2", syncs, many)
		}
		close(answers)
		numbers := map[uint64]bool{}
		for n := range answers {
			numbers[n] = true
		}
		if len(numbers) != many {
			t.Errorf("%d numbers for %d lines", len(numbers), many)
		}
		if r := verified(t, dir, ""); r.Lines != many+2 {
			t.Errorf("%d lines, want %d and the first two", r.Lines, many)
		}
	})
}

var errDisk = errors.New("the disk is broken")

func TestWhatCannotBeSyncedIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := openLog(t, dir, Options{})
	put(t, l, "a")
	l.sync = func(*os.File) error { return errDisk }
	for range 3 {
		if _, err := l.Append(slog.String("what", "b")); !errors.Is(err, errDisk) {
			t.Fatalf("Append() error = %v, want that of the disk", err)
		}
	}
	l.sync = (*os.File).Sync
	put(t, l, "c")
	// What became of b is unknown: it was written, and nobody was told that it was.
	if got := strings.Join(whats(t, dir), ""); got != "abc" {
		t.Errorf("lines are %s, want abc", got)
	}
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("files are %q, want one before the error and one after it", got)
	}
	verified(t, dir, newest(t, l))
}

// A crash may leave any part of what was being written. All lines before are kept, what is
// no line is told of, and the chain goes on.
func TestACrashAtAnyByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := openLog(t, dir, Options{})
	put(t, l, "a", "b")
	name := l.name
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	firstLine := len(lines[0]) // a file appears with it
	for end := firstLine; end <= len(text); end++ {
		if end%5 > 0 && text[end-1] != '\n' && end < len(text)-1 {
			continue // these are like their neighbours
		}
		crashed := filepath.Join(t.TempDir(), "audit")
		write(t, filepath.Join(crashed, name), text[:end])
		write(t, filepath.Join(crashed, newFile), text[:end/2]) // of one that was to begin
		verified(t, crashed, "")
		l := openLog(t, crashed, Options{})
		l.sync = func(*os.File) error { return nil }
		put(t, l, "c")
		whole := strings.Count(string(text[firstLine:end]), "\n")
		if got, want := strings.Join(whats(t, crashed), ""), "ab"[:whole]+"c"; got != want {
			t.Fatalf("after a crash at byte %d the lines are %q, want %q", end, got, want)
		}
		torn := end > firstLine && text[end-1] != '\n'
		r := verified(t, crashed, newest(t, l))
		if told := len(r.Notes) == 1 && strings.Contains(r.Notes[0].Text, "as the next file tells"); told != torn {
			t.Fatalf("after a crash at byte %d: Verify() = %+v, want it told of: %v", end, r, torn)
		}
		l.Close()
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStatesAreNotedWhenTheyChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	note := func(settings, keys State) {
		t.Helper()
		l := openLog(t, dir, Options{})
		defer l.Close()
		if err := l.Note(map[string]State{"settings": settings, "keys": keys}, slog.String("by", "start")); err != nil {
			t.Fatal(err)
		}
	}
	note(State{"a": "1", "b": "2"}, State{"k": "x"})
	first := len(files(t, dir))
	note(State{"a": "1", "b": "2"}, State{"k": "x"})
	if n := len(files(t, dir)); n != first || len(whats(t, dir)) > 0 {
		t.Errorf("a start without changes writes: %d files, lines %q", n, whats(t, dir))
	}
	note(State{"a": "1", "c": "3"}, State{"k": "x"})
	note(State{"a": "1", "c": "3"}, State{"k": "y"})
	put(t, openLog(t, dir, Options{MaxFileBytes: 1}), "x") // another file knows the states
	note(State{"a": "1", "c": "3"}, State{"k": "y"})
	if got := whats(t, dir); !slices.Equal(got, []string{"settings", "keys", "x"}) {
		t.Errorf("lines are %q, want one for settings, one for keys and x", got)
	}
	for line, err := range Lines(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"b":{"from":"2"},"c":{"to":"3"}}`; line.What == "settings" && string(line.Members["changed"]) != want {
			t.Errorf("changed = %s, want %s", line.Members["changed"], want)
		}
	}
	verified(t, dir, "")
}

func TestExpireRemovesWholeFilesOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "audit")
		l := openLog(t, dir, Options{})
		for day := range 4 {
			put(t, l, fmt.Sprint("day", day))
			time.Sleep(24 * time.Hour)
		}
		if n, err := l.Expire(time.Now().Add(-47 * time.Hour)); n != 2 || err != nil {
			t.Errorf("Expire() = %d, %v, want 2 files", n, err)
		}
		if got := whats(t, dir); !slices.Equal(got, []string{"day2", "day3", whatExpire}) {
			t.Errorf("lines are %q", got)
		}
		if r := verified(t, dir, ""); len(r.Notes) != 1 {
			t.Errorf("Notes = %+v, want one about retention", r.Notes)
		}
		time.Sleep(1000 * 24 * time.Hour)
		if n, err := l.Expire(time.Now()); n != 2 || err != nil {
			t.Errorf("Expire() = %d, %v, want all but the newest file", n, err)
		}
		if got := whats(t, dir); !slices.Equal(got, []string{whatExpire, whatExpire}) {
			t.Errorf("lines are %q, want those of the file that was the newest, and that this was removed", got)
		}
		verified(t, dir, "")
	})
}

// What is done to the files under who writes them hides nothing: the chain goes on from what
// was written, so what is missing is found.
func TestFilesThatAreTakenAwayUnderTheWriterAreMissed(t *testing.T) {
	for name, do := range map[string]func(l *Log) error{
		"the folder removed":    func(l *Log) error { return os.RemoveAll(l.dir) },
		"the file removed":      func(l *Log) error { return os.Remove(filepath.Join(l.dir, l.name)) },
		"the file emptied":      func(l *Log) error { return os.Truncate(filepath.Join(l.dir, l.name), 0) },
		"the last line cut off": func(l *Log) error { return os.Truncate(filepath.Join(l.dir, l.name), l.size-1) },
		"the folder emptied, after an error": func(l *Log) error {
			l.sync = func(*os.File) error { return errDisk }
			if _, err := l.Append(slog.String("what", "refused")); err == nil {
				return errors.New("a sync that fails is no error")
			}
			l.sync = (*os.File).Sync
			return errors.Join(os.RemoveAll(l.dir), os.Mkdir(l.dir, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			l := openLog(t, filepath.Join(t.TempDir(), "audit"), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			put(t, l, "a", "b")
			if err := do(l); err != nil {
				t.Fatal(err)
			}
			put(t, l, "c")
			if r, err := Verify(l.dir, ""); err != nil || len(r.Faults) == 0 {
				t.Errorf("Verify() = %+v, %v, want what is missing", r, err)
			}
			if !strings.Contains(log.String(), "audit is damaged") {
				t.Errorf("the log does not tell:\n%s", &log)
			}
		})
	}
}
