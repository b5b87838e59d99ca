package perdure

import (
	"context"
	"fmt"
	"reflect"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/registry"
)

// CallActivity runs a registered activity and returns the task of its result.
// The activity runs with the instance's version unless [WithVersion] gives
// another.
//
// fn is a top-level function, an instantiation of a generic one or a method
// expression. Method values, as of a struct with dependencies, and closures
// have no identity in Go: register them under a name and call them by an
// [ActivityRef].
func CallActivity[In, Out any](ctx *OrchestrationContext, fn func(context.Context, In) (Out, error), in In, opts ...ActivityCallOption) *Task[Out] {
	name, err := nameOf(&ctx.app.functions.Activities, fn, "Activity")
	if err != nil {
		return failed[Out](ctx, name, err)
	}
	return ActivityRef[In, Out](name).Call(ctx, in, opts...)
}

// ActivityRef is the name of an activity that lives elsewhere, with its types:
//
//	const Charge = perdure.ActivityRef[Order, Receipt]("Charge")
type ActivityRef[In, Out any] string

// Call runs the activity of that name, like [CallActivity].
func (r ActivityRef[In, Out]) Call(ctx *OrchestrationContext, in In, opts ...ActivityCallOption) *Task[Out] {
	name := string(r)
	o := optionsOf(opts, ActivityCallOption.activityCall)
	if name == "" {
		return failed[Out](ctx, name, fmt.Errorf("call an activity: its name is empty"))
	}
	a := history.Action{Kind: history.ScheduleTask, Name: name, Version: ctx.Version()}
	if o.version != nil {
		a.Version = *o.version
	}
	return call[Out](ctx, "result of activity", a, in, o.retry)
}

// nameOf returns the durable name of a registered function.
func nameOf[F any](set *registry.Set[F], fn any, kind string) (string, error) {
	found := set.FindCode(registry.CodeOf(fn))
	if len(found) == 1 && found[0].Plain {
		return found[0].Name, nil
	}
	goName := registry.GoName(fn)
	switch {
	case reflect.ValueOf(fn).IsNil():
		return goName, fmt.Errorf("the function is nil; pass one that is registered with Add%s", kind)
	case !registry.Identified(goName):
		t := reflect.TypeOf(fn)
		return goName, fmt.Errorf("%s is a method value or a closure, which Go does not tell from others of the same code; give it a Ref: perdure.%sRef[%s, %s](\"Name\"), with the name that it is registered under, and call that",
			goName, kind, t.In(1), t.Out(0))
	case len(found) == 0:
		return goName, fmt.Errorf("%s is not registered; register it with Add%s, or call it by its name with %sRef if it lives elsewhere", goName, kind, kind)
	default:
		return goName, fmt.Errorf("%s is registered more than once, as %q (%s) and %q (%s); call it by its name with %sRef",
			goName, found[0].Name, found[0].Site, found[1].Name, found[1].Site, kind)
	}
}

// ActivityInfo tells an activity which call it serves.
type ActivityInfo struct {
	InstanceID  InstanceID
	ExecutionID ExecutionID
	TaskID      int32 // sequence id of the call
	Name        string
	Attempt     int32 // under the caller's retry policy, from 1
	// IdempotencyToken is the same whenever this call is run again because its
	// result was lost, and differs from that of any other call or attempt.
	IdempotencyToken string
}

type activityInfoKey struct{}

// ActivityInfoFrom returns what ctx, the context of an activity, knows of the
// call. ok is false outside activities.
func ActivityInfoFrom(ctx context.Context) (info ActivityInfo, ok bool) {
	task, ok := ctx.Value(activityInfoKey{}).(*history.Task)
	if !ok {
		return ActivityInfo{}, false
	}
	return ActivityInfo{
		InstanceID:       task.Instance,
		ExecutionID:      task.ExecutionID,
		TaskID:           task.ID,
		Name:             task.Name,
		Attempt:          max(task.Attempt, 1),
		IdempotencyToken: fmt.Sprintf("%s/%s/%d", task.Instance, task.ExecutionID, task.ID),
	}, true
}

// ErrStopping is the cause ([context.Cause]) of the end of an activity's
// context when the app stops and the time to finish, DrainTimeout, is over. An
// activity that returns it, or an error that wraps it, once the app stops has
// neither succeeded nor failed: it runs again at the next start, as one that is
// cancelled then does.
var ErrStopping = history.ErrStopping

// Stopping returns a channel that is closed as soon as the app begins to stop,
// which is DrainTimeout before ctx, the context of an activity, is cancelled:
// time to finish, or to put back what was begun and return [ErrStopping].
// Outside activities it is nil, which is never closed.
func Stopping(ctx context.Context) <-chan struct{} { return history.Stopping(ctx) }

func isStopping(ctx context.Context) bool {
	select {
	case <-Stopping(ctx):
		return true
	default:
		return false
	}
}

// activityContext is the context of an activity, which knows the call.
type activityContext struct {
	context.Context
	task history.Task
}

func (c *activityContext) Value(key any) any {
	if key == (activityInfoKey{}) {
		return &c.task
	}
	return c.Context.Value(key)
}
