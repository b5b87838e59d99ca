package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/backup"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/private"
	"github.com/perdure/perdure/internal/store"
)

// RestoredHub is what a hub of a restored store has left to do.
type RestoredHub struct {
	Name string
	engine.Unfinished
}

// Restore makes dataDir, which must not be there or be empty, the store that
// the backup in dir holds. It tells what each hub will do again once its app
// runs.
func Restore(ctx context.Context, dir, dataDir string) (*backup.Backup, []RestoredHub, error) {
	var hubs []RestoredHub
	b, err := restoreStore(ctx, dir, dataDir, func(folder string, from store.Provider, b *backup.Backup) error {
		names, err := from.Hubs(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			hub, err := from.Hub(ctx, name, store.HubOptions{})
			if err != nil {
				return err
			}
			u, err := engine.FindUnfinished(ctx, hub, time.Now())
			if err != nil {
				return fmt.Errorf("task hub %s: %w", name, err)
			}
			hubs = append(hubs, RestoredHub{name, u})
		}
		return writeRestored(folder, &Restored{Made: b.Made, At: time.Now().UTC()})
	})
	return b, hubs, err
}

// Restored is the note, in the file restored of the data folder, that the store
// comes from a backup.
type Restored struct {
	Made time.Time `json:"backup"`   // when the backup was made: what happened after is gone
	At   time.Time `json:"restored"` // when it was restored
	Told bool      `json:"told"`     // at the first start
}

func restoredPath(dataDir string) string { return filepath.Join(dataDir, "restored") }

func writeRestored(dataDir string, r *Restored) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return private.Write(restoredPath(dataDir), append(text, '\n'))
}

// FindRestored returns the note, nil if the store does not come from a backup.
func FindRestored(dataDir string) (*Restored, error) {
	text, err := os.ReadFile(restoredPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := new(Restored)
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", restoredPath(dataDir), err)
	}
	return r, nil
}

// TellRestored tells at the first start of a restored store what its hub does
// again.
func TellRestored(ctx context.Context, dataDir string, hub store.Hub, log *slog.Logger) error {
	r, err := FindRestored(dataDir)
	if err != nil || r == nil || r.Told {
		return err
	}
	u, err := engine.FindUnfinished(ctx, hub, time.Now())
	if err != nil {
		return err
	}
	log.Warn("the store was restored from a backup: what happened after the backup is gone, and activities without a result run, again if they had run",
		"backup", r.Made, "restored", r.At, "hub", hub.Name(), "instances", u.Counts.Total(), "activities", ActivityText(u.Activities), "overdueTimers", u.Overdue)
	r.Told = true
	return writeRestored(dataDir, r)
}

// ActivityText lists activities with how often each will run.
func ActivityText(activities map[string]int) string {
	if len(activities) == 0 {
		return "none"
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(activities)) {
		words = append(words, fmt.Sprintf("%s (%d)", name, activities[name]))
	}
	return strings.Join(words, ", ")
}
