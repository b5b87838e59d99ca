package corrupt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/store/embedded"
)

// tail is a store whose power failed: the newest log has commits that are newer than
// the witness on disk.
type tail struct {
	dir     string
	log     string    // name of the newest log
	content []byte    // of it; it ends with zeros, which the store fills it with ahead
	known   int       // which of moments the witness knows of
	moments []answers // after each commit
	survey  survey
}

// cutTail makes such a store: 12 commits, of which the witness knows 4.
func cutTail(t *testing.T) *tail {
	f := build(t, "tail")
	work := filepath.Join(t.TempDir(), "work")
	copyFolder(t, f.clean, work)
	s := &tail{dir: filepath.Join(t.TempDir(), "cut"), known: 4, survey: newSubject(t, f.clean).survey}
	var witness []byte
	session(t, work, nil, func(on engines, db *embedded.DB) {
		on.start(t, "Mail", "Chain", "first", nil, nil) // all partitions have been acquired
		for n := range 13 {
			if n == s.known {
				var err error
				if witness, err = os.ReadFile(filepath.Join(work, "witness")); err != nil {
					t.Fatal(err)
				}
			}
			s.moments = append(s.moments, s.survey.ask(t.Context(), db))
			on.pending(t, fmt.Sprint("tail", n, "-"), 1)
		}
		s.moments = append(s.moments, s.survey.ask(t.Context(), db))
		copyRunning(t, work, s.dir)
	})
	if err := os.WriteFile(filepath.Join(s.dir, "witness"), witness, 0o600); err != nil {
		t.Fatal(err)
	}
	logs := glob(t, filepath.Join(s.dir, "data", "*.log"))
	newest := logs[len(logs)-1]
	s.log = "data/" + filepath.Base(newest)
	content, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	s.content = content
	return s
}

// The newest log may lose its end after a crash, and nothing else: what the witness or a
// later chunk of the log attests is there, or the store is refused. What is left is
// what there was after some commit, and the store says what is missing.
func TestCutTail(t *testing.T) {
	s := cutTail(t)
	all := ofContent(s.log, s.content)
	if !*full {
		all = sample(all)
		written := len(bytes.TrimRight(s.content, "\x00"))
		for at := written - 400; at < written; at += 40 { // where the last commits are
			all = append(all, flips(s.log, at), cuts(s.log, at))
		}
	}
	seen, m := map[outcome]int{}, matrix{}
	for _, d := range all {
		name := "tail: " + d.String()
		if !strings.Contains(name, *only) {
			continue
		}
		o, why := s.try(t.Context(), filepath.Join(t.TempDir(), "cell"), d)
		m.add(d, o)
		seen[o]++
		if o == wrong {
			t.Errorf("%s: %s", name, why)
		} else if *only != "" {
			t.Logf("%s: %s %s", name, o, why)
		}
	}
	if *only == "" && (seen[refused] == 0 || seen[told] == 0) {
		t.Errorf("outcomes %v: want some refused, and some told", seen)
	}
	if *full {
		fmt.Printf("\ntail\n\n%s", m)
	}
}

func flips(file string, at int) damage {
	return damage{"flip", file, fmt.Sprint("at ", at), changing(func(content []byte) []byte { content[at] ^= 0xff; return content })}
}

func cuts(file string, at int) damage {
	return damage{"cut", file, fmt.Sprint("at ", at), changing(func(content []byte) []byte { return content[:at] })}
}

func (s *tail) try(ctx context.Context, dir string, d damage) (outcome, string) {
	err := errors.Join(copyTree(s.dir, dir, func(string) bool { return false }), d.apply(filepath.Join(dir, filepath.FromSlash(d.file))))
	if err != nil {
		return wrong, err.Error()
	}
	defer os.RemoveAll(dir)
	db, err := embedded.Open(dir, embedded.Options{MinFreeBytes: 1})
	if err != nil {
		return refused, err.Error()
	}
	defer db.Close()
	got := s.survey.ask(ctx, db)
	last := len(s.moments) - 1
	at := s.moment(got)
	cut, tells := db.Cut()
	ends := d.kind == "cut" || d.kind == "zeros" // nothing is left behind the damage that attests anything
	switch {
	case at < s.known:
		return wrong, fmt.Sprintf("it is as after commit %d; the witness knows of %d", at, s.known)
	case at == last:
		return same, ""
	case at < last-1 && !ends:
		return wrong, fmt.Sprintf("it is as after commit %d; the log attests %d", at, last-1)
	case !tells && !ends: // a log that ends between two commits says nothing
		return wrong, fmt.Sprintf("it is as after commit %d of %d, and nothing tells of it", at, last)
	case cut.Commits > last-at, tells && d.kind != "append" && cut.Offset+cut.Bytes > int64(len(s.content)):
		return wrong, fmt.Sprintf("it is as after commit %d of %d, and %+v is told", at, last, cut)
	case !tells:
		return told, "at the end of a commit"
	}
	return told, fmt.Sprintf("%+v", cut)
}

// moment returns after which commit the store gave these answers, -1 if it never did.
func (s *tail) moment(got answers) int {
	for at := len(s.moments) - 1; at >= 0; at-- {
		if bad, failed := s.moments[at].compare(got); bad == "" && failed == 0 {
			return at
		}
	}
	return -1
}
