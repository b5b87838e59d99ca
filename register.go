package perdure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/registry"
	"github.com/perdure/perdure/internal/replay"
)

// None is the input of a function that needs none, and the result of one that
// has none. It is stored as no payload; reading it ignores what is there.
type None = struct{}

// OrchestratorOption changes how an orchestrator runs.
type OrchestratorOption func(*orchestratorOptions)

type orchestratorOptions struct{ function registry.Orchestrator }

// AwaitOutstanding keeps an instance running after its orchestrator returned
// until all activities, sub-orchestrations and timers that it started and did
// not cancel have ended. By default an instance ends at once and what they lead
// to is discarded.
func AwaitOutstanding() OrchestratorOption {
	return func(o *orchestratorOptions) { o.function.AwaitOutstanding = true }
}

// AddOrchestrator registers fn under a durable name: a string constant, or an
// [OrchestratorRef] of the same types. Names are unique among orchestrators,
// ignoring case. In and Out travel as JSON. Mistakes are reported by
// [App.Validate].
func AddOrchestrator[In, Out any](app *App, name OrchestratorRef[In, Out], fn func(*OrchestrationContext, In) (Out, error), opts ...OrchestratorOption) {
	run := encoded(fn, origin{"input of orchestrator", string(name)})
	o := orchestratorOptions{registry.Orchestrator{Run: func(c *replay.Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		payload, err := run(&OrchestrationContext{core: c, app: app}, input)
		c.Blame(causes(err))
		return payload, failureOf(err)
	}}}
	for _, opt := range opts {
		opt(&o)
	}
	add(&app.functions.Orchestrators, "Orchestrator", string(name), fn, o.function)
}

// AddActivity registers fn under a durable name: a string constant, or an
// [ActivityRef] of the same types. Names are unique among activities, ignoring
// case. In and Out travel as JSON. Mistakes are reported by [App.Validate].
//
// An activity may run more than once for one call, for example when the program
// dies before the result is stored; [ActivityInfo.IdempotencyToken] is the same
// each time. Activities run on goroutines that are used again: what locks its
// thread unlocks it before it returns.
func AddActivity[In, Out any](app *App, name ActivityRef[In, Out], fn func(context.Context, In) (Out, error)) {
	run := encoded(fn, origin{"input of activity", string(name)})
	add(&app.functions.Activities, "Activity", string(name), fn, registry.Activity{Run: func(ctx context.Context, t history.Task) (json.RawMessage, *history.Failure, error) {
		payload, err := run(&activityContext{ctx, t}, t.Input)
		if errors.Is(err, ErrStopping) && isStopping(ctx) {
			return nil, nil, err
		}
		return payload, failureOf(err), nil
	}})
}

// NoResult makes an activity of a function that returns only an error.
func NoResult[In any](fn func(context.Context, In) error) func(context.Context, In) (None, error) {
	return func(ctx context.Context, in In) (None, error) { return None{}, fn(ctx, in) }
}

// encoded is fn on encoded values.
func encoded[C, In, Out any](fn func(C, In) (Out, error), from origin) func(C, json.RawMessage) (json.RawMessage, error) {
	return func(c C, input json.RawMessage) (json.RawMessage, error) {
		var in In
		if err := decodeInto(input, &in, from); err != nil {
			return nil, err
		}
		out, err := fn(c, in)
		if err != nil {
			return nil, err
		}
		payload, err := encode(out)
		if err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
		return payload, nil
	}
}

// add is called by the functions that users call: the caller of its caller is
// where the function is registered.
func add[C, In, Out, F any](set *registry.Set[F], kind, name string, fn func(C, In) (Out, error), do F) {
	_, file, line, _ := runtime.Caller(2)
	site, goName := fmt.Sprintf("%s:%d", file, line), registry.GoName(fn)
	if err := check(fn); err != nil {
		set.Reject(kind, name, goName, site, err)
		return
	}
	set.Add(kind, registry.Function[F]{Name: name, GoName: goName, Site: site, Do: do}, registry.CodeOf(fn))
}

// check says why a function cannot be called.
func check[C, In, Out any](fn func(C, In) (Out, error)) error {
	if fn == nil {
		return fmt.Errorf("the function is nil; pass a %T", fn)
	}
	if err := history.CheckPayloadType(reflect.TypeFor[In]()); err != nil {
		return fmt.Errorf("its input does not travel: %w", err)
	}
	if err := history.CheckPayloadType(reflect.TypeFor[Out]()); err != nil {
		return fmt.Errorf("its result does not travel: %w", err)
	}
	return nil
}
