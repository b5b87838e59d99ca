package perdure

import (
	"fmt"
	"strings"

	"github.com/perdure/perdure/internal/history"
)

// CallSubOrchestrator starts a registered orchestrator as a child and returns
// the task of its result. Without [WithInstanceID] the child's id is derived
// from the parent's.
func CallSubOrchestrator[In, Out any](ctx *OrchestrationContext, fn func(*OrchestrationContext, In) (Out, error), in In, opts ...ChildOption) *Task[Out] {
	name, err := nameOf(&ctx.app.functions.Orchestrators, fn, "Orchestrator")
	if err != nil {
		return failed[Out](ctx, name, err)
	}
	return OrchestratorRef[In, Out](name).Call(ctx, in, opts...)
}

// StartOrchestration starts a registered orchestrator as an instance of its own
// and returns its id, without waiting for it. The start takes effect at the end
// of the turn. Under an id that an instance has already (see [WithInstanceID])
// it replaces one that has ended, whose function then runs again, and is
// dropped when it has not ended; the log tells of both.
func StartOrchestration[In, Out any](ctx *OrchestrationContext, fn func(*OrchestrationContext, In) (Out, error), in In, opts ...StartOption) (InstanceID, error) {
	name, err := nameOf(&ctx.app.functions.Orchestrators, fn, "Orchestrator")
	if err != nil {
		return "", err
	}
	return OrchestratorRef[In, Out](name).Start(ctx, in, opts...)
}

// OrchestratorRef is the name of an orchestrator that lives elsewhere, with its
// types:
//
//	const Ship = perdure.OrchestratorRef[Order, Parcel]("Ship")
type OrchestratorRef[In, Out any] string

// Call starts the orchestrator of that name, like [CallSubOrchestrator].
func (r OrchestratorRef[In, Out]) Call(ctx *OrchestrationContext, in In, opts ...ChildOption) *Task[Out] {
	name := string(r)
	o := optionsOf(opts, ChildOption.child)
	if name == "" {
		return failed[Out](ctx, name, fmt.Errorf("call a sub-orchestrator: its name is empty"))
	}
	return call[Out](ctx, "result of sub-orchestration", o.child(name), in, o.retry)
}

// Start starts the orchestrator of that name, like [StartOrchestration].
func (r OrchestratorRef[In, Out]) Start(ctx *OrchestrationContext, in In, opts ...StartOption) (InstanceID, error) {
	name := string(r)
	o := optionsOf(opts, StartOption.start)
	if name == "" {
		return "", fmt.Errorf("start an orchestration: the name is empty")
	}
	input, err := encode(in)
	if err != nil {
		return "", fmt.Errorf("start orchestration %s: %w", name, err)
	}
	if o.id == "" {
		o.id = InstanceID(strings.ReplaceAll(ctx.NewGUID(), "-", ""))
	}
	a := o.child(name)
	a.Payload = input
	if err := ctx.core.StartOrchestration(a); err != nil {
		return "", fmt.Errorf("start orchestration %s: %w", name, err)
	}
	return o.id, nil
}

func (o *callOptions) child(name string) history.Action {
	a := history.Action{Kind: history.StartSubOrchestration, Name: name, Instance: o.id, Tags: o.tags}
	if o.version != nil {
		a.Version = *o.version
	}
	return a
}
