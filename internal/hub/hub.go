// Package hub hides where a task hub is and who serves it: it says what one can
// ask of one, and how that is answered, once for all who ask (client, httpapi,
// host) and all who answer (engine, the client of a remote host).
//
// Values go in and out; nothing here does anything. Errors match the sentinels
// of this package, whoever answers.
package hub

import (
	"context"

	"github.com/perdure/perdure/internal/history"
)

// Hub is a task hub. All methods are safe for concurrent use. The context of a
// call limits the call, never the instance.
type Hub interface {
	Starter
	Reader
	Changer
	Purger
	Mover
}

// Starter starts instances.
type Starter interface {
	// Start returns when the instance is durably scheduled.
	Start(ctx context.Context, r StartRequest) (history.InstanceID, error)
	// Restart runs an instance anew and returns the id of the new run.
	Restart(ctx context.Context, id history.InstanceID, r RestartRequest) (history.InstanceID, error)
}

// Reader tells what is durably known.
type Reader interface {
	Status(ctx context.Context, id history.InstanceID, o StatusOptions) (Status, error)
	List(ctx context.Context, r ListRequest, o StatusOptions) (StatusPage, error)
	// MergedHistory returns the status, payloads included, and the history of
	// an instance at one moment.
	MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (Status, []MergedEvent, error)
	Count(ctx context.Context, q history.Query) (history.Counts, error)
	Explain(ctx context.Context, id history.InstanceID) (Explanation, error)
	// WaitStarted returns nil once the instance has had its first turn, or has
	// ended.
	WaitStarted(ctx context.Context, id history.InstanceID) error
	// Wait returns the status, payloads included, once the instance is
	// terminal.
	Wait(ctx context.Context, id history.InstanceID) (Status, error)
}

// Changer changes what an instance does. Each method returns when the change is
// durable.
type Changer interface {
	Raise(ctx context.Context, id history.InstanceID, r RaiseRequest) error
	Terminate(ctx context.Context, id history.InstanceID, r TerminateRequest) error
	Suspend(ctx context.Context, id history.InstanceID, reason string) error
	Resume(ctx context.Context, id history.InstanceID, reason string) error
	Rewind(ctx context.Context, id history.InstanceID, r RewindRequest) error
	// PlanRewind tells what Rewind would do, and does nothing.
	PlanRewind(ctx context.Context, id history.InstanceID, r RewindRequest) (RewindPlan, error)
}

// Purger removes instances.
type Purger interface {
	Purge(ctx context.Context, id history.InstanceID, r PurgeRequest) (PurgeResult, error)
	PurgeBy(ctx context.Context, f PurgeFilter) (PurgeResult, error)
}

// Mover moves instances between hubs.
type Mover interface {
	Export(ctx context.Context, id history.InstanceID) (Archive, error)
	Import(ctx context.Context, r ImportRequest) (history.InstanceID, error)
}

// Gate tells of a request whose payload has not come yet what it would be
// refused for whatever the payload is; nil if nothing is known against it.
type Gate interface {
	CheckStart(ctx context.Context, r StartRequest) error
	CheckRaise(ctx context.Context, id history.InstanceID, r RaiseRequest) error
	CheckImport(ctx context.Context, r ImportRequest) error
}

// Checker is what a hub may be besides: one that can be looked over as a whole.
type Checker interface {
	// Check reads all of the hub and tells what in it does not agree.
	Check(ctx context.Context, o CheckOptions) (CheckReport, error)
}

// Deleter is what a hub may be besides: one that can be deleted.
type Deleter interface {
	// DeleteHub removes the hub with all of its instances; with force also
	// while a worker serves it.
	DeleteHub(ctx context.Context, force bool) error
}
