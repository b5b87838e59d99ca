package perdure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/replay"
)

// Failure is what a function reported when it did not succeed, in the form in
// which it is stored.
type Failure = history.Failure

var (
	// ErrCanceled is how a timer ends that was cancelled.
	ErrCanceled = replay.ErrCanceled
	// ErrForeignGoroutine answers uses of an orchestration context or its tasks
	// outside the orchestrator's own goroutine. The instance fails.
	ErrForeignGoroutine = replay.ErrForeignGoroutine
)

// TaskFailedError says that an activity or a sub-orchestration failed. An
// orchestrator that returns it, wrapped or not, fails with the same Failure.
type TaskFailedError struct {
	Name    string // of the function
	TaskID  int32  // sequence id of the call, of its last attempt when it was retried
	Failure Failure

	also []int32 // tasks of the same WhenAll that failed too
}

func (e *TaskFailedError) Error() string {
	return fmt.Sprintf("Task '%s' (#%d) failed with an unhandled exception: %s", e.Name, e.TaskID, e.Failure.Message)
}

// TimeoutError says that an external event did not arrive in time.
type TimeoutError struct {
	Event string
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("event %s not received in %s", e.Event, e.After)
}

// NonRetriable marks err: retry policies give up at once when a function
// returns it. NonRetriable(nil) is nil.
func NonRetriable(err error) error {
	if err == nil {
		return nil
	}
	return &nonRetriableError{err}
}

type nonRetriableError struct{ err error }

func (e *nonRetriableError) Error() string { return e.err.Error() }
func (e *nonRetriableError) Unwrap() error { return e.err }

// maxFailureDepth bounds how many wrapped errors a failure tells of.
const maxFailureDepth = 16

// failureOf returns the stored form of what a function returned, nil for nil. A
// task's failure stays what it was (spec/runtime.md 2.13).
func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	if task, ok := errors.AsType[*TaskFailedError](err); ok {
		failure := task.Failure
		return &failure
	}
	return describe(err, maxFailureDepth)
}

// causes lists the tasks whose failures err tells of, wrapped and joined ones
// too, in ascending order.
func causes(err error) []int32 {
	var tasks []int32
	switch e := err.(type) {
	case *TaskFailedError:
		tasks = append([]int32{e.TaskID}, e.also...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			tasks = append(tasks, causes(inner)...)
		}
	case interface{ Unwrap() error }:
		return causes(e.Unwrap())
	}
	slices.Sort(tasks)
	return slices.Compact(tasks)
}

func describe(err error, depth int) *Failure {
	_, marked := errors.AsType[*nonRetriableError](err)
	if own, ok := err.(*nonRetriableError); ok {
		failure := describe(own.err, depth)
		failure.NonRetriable = true
		return failure
	}
	failure := &Failure{Type: typeName(err), Message: err.Error(), NonRetriable: marked}
	if inner := unwrap(err); inner != nil && depth > 1 {
		failure.Inner = describe(inner, depth-1)
	}
	return failure
}

// unwrap returns what err wraps, the first where it wraps several.
func unwrap(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, inner := range several.Unwrap() {
			if inner != nil {
				return inner
			}
		}
	}
	return errors.Unwrap(err)
}

// typeName is the type of err, or of what it wraps where err itself only adds
// text.
func typeName(err error) string {
	for {
		name := fmt.Sprintf("%T", err)
		inner := unwrap(err)
		_, marker := err.(*nonRetriableError)
		if inner == nil || !marker && !strings.HasPrefix(name, "*fmt.wrapError") && name != "*errors.joinError" {
			return name
		}
		err = inner
	}
}
