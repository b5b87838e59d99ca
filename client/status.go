package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// RuntimeStatus is where an instance stands.
type RuntimeStatus = history.RuntimeStatus

// The values of [RuntimeStatus] that an instance can show.
const (
	Pending    = history.Pending // has not begun
	Running    = history.Running
	Suspended  = history.Suspended
	Completed  = history.Completed
	Failed     = history.Failed
	Canceled   = history.Canceled // by others: nothing here cancels
	Terminated = history.Terminated
	Unknown    = history.Unknown // of what cannot be read, or is not asked
)

// InstanceID names an instance in its hub: valid UTF-8 of 1 to 256 UTF-16 units,
// without / \ # ? and characters that nobody sees, not beginning with @, and
// neither . nor .. Letter case counts.
type InstanceID = history.InstanceID

// ExecutionID names one run of an instance's code: it changes when the instance
// continues as new, is rewound or restarted in place.
type ExecutionID = history.ExecutionID

// Failure is what user code reported when it did not succeed.
type Failure = history.Failure

// Status is what is durably known of an instance. The first group is always
// there; the second needs a host of this product.
type Status struct {
	ID            InstanceID
	Name          string // orchestrator, as given at start
	RuntimeStatus RuntimeStatus
	CreatedAt     time.Time       // when it was scheduled
	UpdatedAt     time.Time       // of its newest turn
	Input         json.RawMessage // nil is null, or left out
	CustomStatus  json.RawMessage // nil until set
	Output        json.RawMessage // result, text of the failure, or reason

	ExecutionID ExecutionID
	Version     string
	CompletedAt time.Time  // zero while it has not ended
	ScheduledAt time.Time  // not before; zero when it could start at once
	ParentID    InstanceID // instance that waits for this one; empty when none
	Tags        map[string]string
	Failure     *Failure // Failed only
	// FailureText is the first line of Failure, cut at 300 bytes; also where
	// outputs are left out. Of hosts of another make it is made of the output,
	// if they send it.
	FailureText string
	// Problem says what is stored and cannot be shown, and why; empty when all
	// is well. Such an instance is in lists, and may have nothing but its ID,
	// or not even that.
	Problem string

	History []Event // merged, when asked for
}

// MarshalJSON writes the status object of the HTTP API, without what only this
// product knows and without the history.
func (s *Status) MarshalJSON() ([]byte, error) {
	st := hub.Status{
		Instance: history.Instance{
			ID: s.ID, Name: s.Name, Status: s.RuntimeStatus, CustomStatus: s.CustomStatus, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
		},
		Input: s.Input, Output: s.Output, Problem: s.Problem,
	}
	return wire.WriteStatus(&st, wire.View{Input: true, Output: true, Custom: true}).JSON(), nil
}

// Terminal reports whether the instance has ended.
func (s *Status) Terminal() bool { return s.RuntimeStatus.Terminal() }

// Err returns nil for a Completed instance and for one that has not ended, and
// else how it ended.
func (s *Status) Err() error {
	switch {
	case !s.Terminal() || s.RuntimeStatus == history.Completed:
		return nil
	case s.Failure != nil:
		return fmt.Errorf("instance %s: %s: %s", s.ID, s.RuntimeStatus, s.Failure)
	case len(s.Output) > 0:
		return fmt.Errorf("instance %s: %s: %s", s.ID, s.RuntimeStatus, s.Output)
	}
	return fmt.Errorf("instance %s: %s", s.ID, s.RuntimeStatus)
}

// Result decodes the output of a Completed instance; null and nothing are the
// zero value. For other instances it returns [Status.Err] or [ErrInvalidState].
func Result[T any](s *Status) (T, error) {
	var out T
	if err := s.Err(); err != nil {
		return out, err
	}
	if s.RuntimeStatus != history.Completed {
		return out, fmt.Errorf("%w: instance %s is %s", ErrInvalidState, s.ID, s.RuntimeStatus)
	}
	if len(s.Output) == 0 {
		return out, nil
	}
	if err := history.DecodePayload(s.Output, &out); err != nil {
		return out, fmt.Errorf("output of instance %s: %w", s.ID, err)
	}
	return out, nil
}

// bytes is how much of what users stored the status holds, about.
func (s *Status) bytes() int {
	n := len(s.Input) + len(s.CustomStatus) + len(s.Output) + s.Failure.Bytes()
	for i := range s.History {
		n += len(s.History[i].Payload)
	}
	return n
}

// omit takes out of st what o leaves out.
func omit(st *hub.Status, o hub.StatusOptions) {
	if !o.Input {
		st.Input = nil
	}
	if !o.Output {
		st.Output, st.Failure = nil, nil
	}
}

// newStatus keeps what o does not leave out.
func newStatus(st hub.Status, o StatusOptions) *Status {
	omit(&st, o.parts())
	out := &Status{
		ID: st.ID, Name: st.Name, RuntimeStatus: st.Instance.Status, CreatedAt: st.CreatedAt, UpdatedAt: st.UpdatedAt,
		Input: st.Input, CustomStatus: st.CustomStatus, Output: st.Output,
		ExecutionID: st.ExecutionID, Version: st.Version, CompletedAt: st.CompletedAt, ScheduledAt: st.ScheduledAt,
		Tags: st.Tags, Failure: st.Failure, FailureText: st.FailureText, Problem: st.Problem,
	}
	if st.Parent != nil {
		out.ParentID = st.Parent.InstanceID
	}
	return out
}
