package perdure

import (
	"fmt"
	"log/slog"
	"maps"
	"time"
	"unicode/utf8"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/replay"
)

// InstanceID addresses an instance within its hub.
type InstanceID = history.InstanceID

// ExecutionID names one execution of an instance.
type ExecutionID = history.ExecutionID

// OrchestrationContext is an orchestrator's way to its instance and to the
// world. It is for the orchestrator's own goroutine only.
type OrchestrationContext struct {
	core *replay.Context
	app  *App
}

// InstanceID returns the instance's id.
func (c *OrchestrationContext) InstanceID() InstanceID { return c.core.Instance().ID }

// ExecutionID returns the id of this execution; it changes with ContinueAsNew.
func (c *OrchestrationContext) ExecutionID() ExecutionID { return c.core.Instance().ExecutionID }

// Name returns the orchestrator's name, as given at the start.
func (c *OrchestrationContext) Name() string { return c.core.Instance().Name }

// Version returns the version given at the start, "" if none.
func (c *OrchestrationContext) Version() string { return c.core.Instance().Version }

// ParentInstanceID returns the id of the instance that waits for this one, ""
// if none does.
func (c *OrchestrationContext) ParentInstanceID() InstanceID {
	if parent := c.core.Instance().Parent; parent != nil {
		return parent.InstanceID
	}
	return ""
}

// Tags returns a copy of the instance's tags.
func (c *OrchestrationContext) Tags() map[string]string { return maps.Clone(c.core.Instance().Tags) }

// Now returns the time, in UTC: the same in every replay, and until the
// orchestrator waits for something. Use it instead of time.Now.
func (c *OrchestrationContext) Now() time.Time { return c.core.Now() }

// NewGUID returns a new RFC 4122 id, the same in every replay.
func (c *OrchestrationContext) NewGUID() string { return c.core.NewGUID() }

// Replaying reports whether the code is being run again to where it was. An
// orchestrator must not decide anything by it; it is for output that should
// appear once. Logger knows it already.
func (c *OrchestrationContext) Replaying() bool { return c.core.Replaying() }

// Logger returns a logger that writes each line once, however often the code is
// replayed, and names the instance.
func (c *OrchestrationContext) Logger() *slog.Logger { return c.core.Logger() }

// MaxCustomStatusBytes is the most that a custom status may take, as the size
// of its JSON in UTF-16.
const MaxCustomStatusBytes = 16 << 10

// SetCustomStatus shows v, as JSON, in the instance's status from the end of
// this turn on; nil removes what is there. After an error, for example because
// v exceeds [MaxCustomStatusBytes], the custom status is what it was.
func (c *OrchestrationContext) SetCustomStatus(v any) error {
	status, err := encode(v)
	if err != nil {
		return fmt.Errorf("custom status: %w", err)
	}
	if string(status) == "null" {
		status = nil
	}
	if n := utf16Bytes(status); n > MaxCustomStatusBytes {
		return fmt.Errorf("custom status takes %d bytes in UTF-16, at most %d are allowed; keep it to a summary", n, MaxCustomStatusBytes)
	}
	return c.core.SetCustomStatus(status)
}

func utf16Bytes(text []byte) int {
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		n += 2
		if r > 0xFFFF {
			n += 2 // a surrogate pair
		}
		text = text[size:]
	}
	return n
}
