package perdure

import (
	"fmt"

	"github.com/perdure/perdure/internal/replay"
)

// ContinueOption changes how an execution continues as a new one.
type ContinueOption func(*continueOptions)

type continueOptions struct{ next replay.Next }

// DiscardEvents drops the external events that nobody waited for. By default
// the new execution finds them.
func DiscardEvents() ContinueOption {
	return func(o *continueOptions) { o.next.DiscardEvents = true }
}

// NewVersion gives the new execution another version.
func NewVersion(version string) ContinueOption {
	return func(o *continueOptions) { o.next.Version = version }
}

// ContinueAsNew makes the instance start over with input and an empty history
// once the orchestrator returns. The code goes on until then, and what it asks
// for is done; of several calls the last one counts. It is best the last thing
// an orchestrator does:
//
//	return state, ctx.ContinueAsNew(state)
//
// An orchestrator that returns an error fails and does not continue.
func (c *OrchestrationContext) ContinueAsNew(input any, opts ...ContinueOption) error {
	payload, err := encode(input)
	if err != nil {
		return fmt.Errorf("continue as new: %w", err)
	}
	o := continueOptions{replay.Next{Input: payload, Version: c.Version()}}
	for _, opt := range opts {
		opt(&o)
	}
	return c.core.ContinueAsNew(o.next)
}
