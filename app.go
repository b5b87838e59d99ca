package perdure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"

	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/registry"
	"github.com/perdure/perdure/internal/replay"
)

// App holds the functions of a program. Register them all before the App is
// used; registering is not safe for concurrent use, everything else is.
type App struct {
	functions registry.Table
}

// New returns an App without functions.
func New() *App { return &App{} }

// OrchestratorOption changes how an orchestrator runs.
type OrchestratorOption func(*registry.Orchestrator)

// AwaitOutstanding keeps an instance running after its orchestrator returned
// until all activities, sub-orchestrations and timers that it started and did
// not cancel have ended. By default an instance ends at once and what they lead
// to is discarded.
func AwaitOutstanding() OrchestratorOption {
	return func(o *registry.Orchestrator) { o.AwaitOutstanding = true }
}

// AddOrchestrator registers fn, a func(*OrchestrationContext, In) (Out, error),
// under a durable name. Names are unique among orchestrators, ignoring case.
// In and Out travel as JSON. Mistakes are reported by [App.Validate].
func (a *App) AddOrchestrator(name string, fn any, opts ...OrchestratorOption) {
	first := reflect.TypeFor[*OrchestrationContext]()
	add(&a.functions.Orchestrators, "Orchestrator", name, fn, first, func(code *registry.Callable) registry.Orchestrator {
		o := registry.Orchestrator{Run: func(c *replay.Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
			ctx := &OrchestrationContext{core: c, app: a}
			payload, err := run(code, reflect.ValueOf(ctx), input, origin{"input of orchestrator", name})
			c.Blame(causes(err))
			return payload, failureOf(err)
		}}
		for _, opt := range opts {
			opt(&o)
		}
		return o
	})
}

// AddActivity registers fn, a func(context.Context, In) (Out, error), under a
// durable name. Names are unique among activities, ignoring case. In and Out
// travel as JSON. Mistakes are reported by [App.Validate].
//
// An activity may run more than once for one call, for example when the program
// dies before the result is stored; [ActivityInfo.IdempotencyToken] is the same
// each time. Activities run on goroutines that are used again: what locks its
// thread unlocks it before it returns.
func (a *App) AddActivity(name string, fn any) {
	first := reflect.TypeFor[context.Context]()
	add(&a.functions.Activities, "Activity", name, fn, first, func(code *registry.Callable) registry.Activity {
		return registry.Activity{Run: func(ctx context.Context, t history.Task) (json.RawMessage, *history.Failure, error) {
			var first context.Context = &activityContext{ctx, t}
			// Of the parameter's own type, so that the call has nothing to convert.
			payload, err := run(code, reflect.ValueOf(&first).Elem(), t.Input, origin{"input of activity", name})
			if errors.Is(err, ErrStopping) && isStopping(ctx) {
				return nil, nil, err
			}
			return payload, failureOf(err), nil
		}}
	})
}

// add is called by the methods that users call: the caller of its caller is
// where the function is registered.
func add[F any](set *registry.Set[F], kind, name string, fn any, first reflect.Type, do func(*registry.Callable) F) {
	_, file, line, _ := runtime.Caller(2)
	site := fmt.Sprintf("%s:%d", file, line)
	code, err := registry.NewCallable(fn, first)
	if err != nil {
		set.Reject(kind, name, registry.GoName(fn), site, err)
		return
	}
	set.Add(kind, registry.Function[F]{Name: name, GoName: registry.GoName(fn), Site: site, Do: do(code)}, code.Code())
}

// run calls a user's function on encoded values.
func run(code *registry.Callable, first reflect.Value, input json.RawMessage, from origin) (json.RawMessage, error) {
	out, err := code.Call(first, func(into any) error { return decodeInto(input, into, from) })
	if err != nil {
		return nil, err
	}
	payload, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return payload, nil
}

// Validate reports all mistakes made in registering functions, each with its
// place and what to do; nil when there are none.
func (a *App) Validate() error { return a.functions.Problems() }

// NonDeterminismPolicy says what happens to an instance whose history the code
// no longer fits.
type NonDeterminismPolicy int

const (
	// ParkInstance lets the instance wait until code that fits is deployed. What
	// does not fit is told by the log, once, and by explain.
	ParkInstance NonDeterminismPolicy = iota
	// FailInstance fails the instance.
	FailInstance
)

// OnNonDeterminism sets the policy for instances that the code no longer fits;
// the default is [ParkInstance].
func (a *App) OnNonDeterminism(policy NonDeterminismPolicy) {
	a.functions.FailMisfits = policy == FailInstance
}

// Functions returns the table that workers run.
func (a *App) Functions() *registry.Table { return &a.functions }
