package corrupt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/perdure/perdure/internal/store/embedded"
)

// outcome is what comes of a damage.
type outcome string

const (
	same    outcome = "same"
	refused outcome = "refused"
	failed  outcome = "failed"
	remade  outcome = "remade" // of a file of the host: another one is there
	told    outcome = "told"
	wrong   outcome = "WRONG"
)

// subject is an undamaged store, and what it says.
type subject struct {
	dir    string
	survey survey
	want   answers
}

// patience is how long one cell may take: nothing in it waits for anything.
const patience = 5 * time.Minute

// try damages a copy of the store, in scratch, and returns what comes of it, and why.
func (s *subject) try(ctx context.Context, scratch string, d damage) (outcome, string) {
	type result struct {
		outcome
		why string
	}
	done := make(chan result, 1)
	go func() { // ends in time, or the cell has failed
		defer func() {
			if p := recover(); p != nil {
				done <- result{wrong, fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		o, why, err := s.damaged(ctx, scratch, d)
		if err != nil {
			o, why = wrong, "the cell cannot be tried: "+err.Error()
		}
		done <- result{o, why}
	}()
	select {
	case r := <-done:
		return r.outcome, r.why
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		return wrong, fmt.Sprintf("hangs\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

func (s *subject) damaged(ctx context.Context, dir string, d damage) (outcome, string, error) {
	// Tables are never written to again, so copies share those that stay as they are.
	share := func(name string) bool { return isTable(name) && name != d.file }
	if err := copyTree(s.dir, dir, share); err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, filepath.FromSlash(d.file))
	if err := d.apply(path); err != nil {
		return "", "", err
	}
	before, err := takeState(dir)
	if err != nil {
		return "", "", err
	}
	got, open := s.open(ctx, dir)
	if open != nil {
		after, err := takeState(dir)
		if err != nil {
			return "", "", err
		}
		if changed := before.differs(after); changed != "" {
			return wrong, fmt.Sprintf("refused (%v), but %s", open, changed), nil
		}
	} else if bad, reads := s.want.compare(got); bad != "" {
		return wrong, bad, nil
	} else if reads == 0 {
		return same, "", s.again(ctx, dir, "opened a second time")
	}
	if err := errors.Join(os.RemoveAll(path), copyBack(filepath.Join(s.dir, filepath.FromSlash(d.file)), path)); err != nil {
		return "", "", err
	}
	if err := s.again(ctx, dir, "the damage taken back"); err != nil {
		return wrong, err.Error(), nil
	}
	if open != nil {
		return refused, open.Error(), nil
	}
	return failed, "", nil
}

// copyBack copies what was at a path, if there was anything.
func copyBack(from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return nil
	}
	return copyTree(from, to, func(string) bool { return false })
}

// again opens the store, which must give all answers.
func (s *subject) again(ctx context.Context, dir, when string) error {
	got, err := s.open(ctx, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", when, err)
	}
	if bad, failed := s.want.compare(got); bad != "" || failed > 0 {
		return fmt.Errorf("%s: %d reads fail, %s", when, failed, bad)
	}
	return nil
}

// open opens the store in dir, asks it everything and closes it.
func (s *subject) open(ctx context.Context, dir string) (answers, error) {
	db, err := embedded.Open(dir, embedded.Options{MinFreeBytes: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	got := s.survey.ask(ctx, db)
	db.Close() // a store that broke says so to whoever asks it
	return got, nil
}
