package hubs

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// Journal is the audit of a data folder. What is going to be done is noted
// before it is, and what became of it after, each on disk before anything goes
// on: after a crash the audit may tell of something that was asked for and not
// whether it was done, but nothing is done that it does not tell of.
type Journal struct {
	*audit.Log
	required bool // what cannot be noted is not done
	Remote   bool // who asks must not see what the folder is called
	log      *slog.Logger

	mu     sync.Mutex // guards all below
	told   time.Time  // when it was last logged that a line could not be written
	untold int        // lines since
}

// AuditDir is the folder of the audit, which is there from the first line on.
func AuditDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "audit") }

// OpenJournal returns the audit of the configured store. What goes wrong with
// its files is told in the log, or by those who ask for a change, as the
// configuration has it.
func OpenJournal(cfg *config.Config, log *slog.Logger) *Journal {
	return &Journal{Log: audit.Open(AuditDir(cfg), audit.Options{Logger: log}), required: cfg.Management.AuditRequired, log: log}
}

// errUnaudited is what a caller elsewhere gets to hear.
var errUnaudited = errors.New("it cannot be noted in the audit, so nothing was done; the host's log says why")

// ask notes what is going to be done, and returns the number of the line; 0
// where it goes on without one.
func (j *Journal) ask(attrs []slog.Attr) (uint64, error) {
	n, err := j.Append(attrs...)
	if err == nil {
		return n, nil
	}
	j.tell(err)
	if !j.required {
		return 0, nil
	}
	kind := hub.ErrUnavailable
	if errors.Is(err, syscall.ENOSPC) {
		kind = fmt.Errorf("%w: %w", hub.ErrUnavailable, hub.ErrNoSpace)
	}
	if j.Remote {
		return 0, fmt.Errorf("%w: %w", kind, errUnaudited)
	}
	return 0, fmt.Errorf("%w: it cannot be noted in the audit, so nothing was done: %w. With management.audit.required false in host.json it is done all the same", kind, err)
}

// result notes what became of it, which has happened.
func (j *Journal) result(attrs []slog.Attr) {
	if _, err := j.Append(attrs...); err != nil {
		j.tell(err)
	}
}

// complaintPause is between two lines of the log about the same trouble.
const complaintPause = 10 * time.Second

// tell logs that a line could not be written, but not for each of many.
func (j *Journal) tell(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.untold++; time.Since(j.told) < complaintPause && !j.told.IsZero() {
		return
	}
	j.log.Error("audit cannot be written", "lines", j.untold, "refused", j.required, "error", err)
	j.told, j.untold = time.Now(), 0
}

// Begin notes what has changed in settings and keys since the last start.
func (j *Journal) Begin(cfg *config.Config, keys []storedKey) error {
	settings := audit.State{}
	for _, s := range cfg.Settings {
		settings[s.Key] = s.Value
	}
	err := j.note(map[string]audit.State{"settings": settings, "keys": keyState(keys)}, "between two starts")
	if err != nil {
		return err
	}
	head, err := j.Head()
	if err != nil {
		return j.unnoted(err)
	}
	j.log.Info("audit", "folder", AuditDir(cfg), "head", head) // kept elsewhere, it proves later that nothing was written anew
	return nil
}

// NoteKeys notes what has changed in the keys. If that is an error, they must
// not count.
func (j *Journal) NoteKeys(keys []storedKey) error {
	return j.note(map[string]audit.State{"keys": keyState(keys)}, "while it runs")
}

func (j *Journal) note(states map[string]audit.State, when string) error {
	return j.unnoted(j.Note(states, slog.String("by", "file"), slog.String("when", when)))
}

// unnoted is what an error means to whoever could not note something.
func (j *Journal) unnoted(err error) error {
	if err == nil {
		return nil
	}
	if !j.required {
		j.tell(err)
		return nil
	}
	return fmt.Errorf("audit: %w. With management.audit.required false in host.json it goes on without", err)
}

// keyState tells two sets of keys apart and no key: of the value it has 16 bits
// of a hash.
func keyState(keys []storedKey) audit.State {
	state := audit.State{}
	for _, k := range keys {
		hash := sha256.Sum256([]byte(k.Value))
		state[k.Name] = fmt.Sprintf("%s %x", cmp.Or(k.Role, httpapi.RoleOperate.String()), hash[:2])
	}
	return state
}

// RemoveOld removes the files of the audit that were written before then.
func (j *Journal) RemoveOld(then time.Time) {
	if _, err := j.Expire(then, slog.String("by", ByRetention)); err != nil {
		j.tell(err)
	}
}
