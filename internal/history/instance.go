package history

import (
	"encoding/json"
	"time"
)

// Instance is the status row of an instance: what queries filter on and show,
// without the payloads that its history holds already (input, output, failure).
// It is rewritten only when one of its fields changes
// (docs/contracts/runtime.md 1.4).
type Instance struct {
	Number       Number
	ID           InstanceID
	ExecutionID  ExecutionID
	Name         string // orchestrator, as given at start
	Version      string
	Status       RuntimeStatus
	CreatedAt    time.Time // of the instance; continue-as-new does not change it
	UpdatedAt    time.Time // when this row last changed; the newest turn may be later
	CompletedAt  time.Time // zero while not terminal
	ScheduledAt  time.Time // not before; zero when it could start at once
	CustomStatus json.RawMessage
	Reason       json.RawMessage // of the suspension, while Suspended
	Parent       *Parent
	Tags         map[string]string
	Generation   int32    // executions that this id had before
	Events       int32    // of the current execution's history, as of UpdatedAt
	Labels       []string // what the engine wants the instance to be found by, see [ParentLabel]; ascending
}
