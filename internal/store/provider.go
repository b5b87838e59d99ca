package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrHubNotFound is what a [Provider] returns for a hub that it does not keep.
var ErrHubNotFound = errors.New("hub not found")

// Provider keeps task hubs in one place, such as a folder or a database. Names
// of hubs are the same in any letter case. Its methods are safe for concurrent
// use.
type Provider interface {
	// Hub opens a hub. All calls for one hub return the same one.
	Hub(ctx context.Context, name string, options HubOptions) (Hub, error)
	// Hubs returns the names of the hubs, as they were spelt when they were
	// made, sorted.
	Hubs(ctx context.Context) ([]string, error)
	// DeleteHub removes a hub and all that is in it, in one step. Whoever still
	// uses it gets errors from then on, an [ErrBroken] each. A hub that is made
	// later under the same name is a new one.
	DeleteHub(ctx context.Context, name string) error
	// Health returns why nothing can be written, as far as is known without
	// trying: an [ErrNoSpace], an [ErrBroken]; nil: it can. notes are what
	// somebody should know all the same, a few words each.
	Health() (notes []string, err error)
	// Close closes it once what was begun has ended. Hubs of it are broken from
	// then on.
	Close() error
}

// Hub is a hub of a [Provider].
type Hub interface {
	Store
	Name() string // as it was spelt when the hub was made
}

// HubOptions says how to open a hub.
type HubOptions struct {
	Partitions int  // must be what the hub has; 0: whatever it has, the provider's default for a new one
	Create     bool // make the hub if it is not there
}

// LockedError says that another process has the folder of a store open, or this
// one has already. What it says of the holder is empty where the holder's note
// could not be read.
type LockedError struct {
	Dir     string
	PID     int
	Command string
	Since   time.Time
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("store folder %s is in use by another process: stop it, or use another folder", e.Dir)
	}
	return fmt.Sprintf("store folder %s is in use by process %d (%s) since %s: stop it, or use another folder",
		e.Dir, e.PID, e.Command, e.Since.Local().Format(time.DateTime))
}

// RefusedError says that a folder does not hold the whole store that it once
// held.
type RefusedError struct {
	Dir    string
	Cause  error
	Advice string // what to do
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("store folder %s: %v: %s", e.Dir, e.Cause, e.Advice)
}
func (e *RefusedError) Unwrap() error { return e.Cause }
