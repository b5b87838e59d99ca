package perdure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
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
// orchestrator that returns it fails with the same Failure; what the error that
// it returns says around it becomes the message, and the Failure its Inner.
type TaskFailedError struct {
	Name    string // of the function
	TaskID  int32  // sequence id of the call, of its last attempt when it was retried
	Failure Failure

	also []int32 // tasks of the same WhenAll that failed too
}

func (e *TaskFailedError) Error() string {
	return fmt.Sprintf("Task '%s' (#%d) failed with an unhandled exception: %s", e.Name, e.TaskID, e.Failure.Message)
}

// NonRetriable reports whether the function said that trying again is of no
// use.
func (e *TaskFailedError) NonRetriable() bool { return e.Failure.NonRetriable }

// TimeoutError says that an external event did not arrive in time.
type TimeoutError struct {
	Event string
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("event %s not received in %s", e.Event, e.After)
}

// NonRetriable marks err: retry policies give up at once when a function
// returns it, or an error that wraps or joins it at any depth.
// NonRetriable(nil) is nil.
func NonRetriable(err error) error {
	if err == nil {
		return nil
	}
	return &nonRetriableError{err}
}

type nonRetriableError struct{ err error }

func (e *nonRetriableError) Error() string      { return e.err.Error() }
func (e *nonRetriableError) Unwrap() error      { return e.err }
func (e *nonRetriableError) NonRetriable() bool { return true }

// maxFailureDepth bounds how many wrapped errors a failure tells of, those of
// the tasks behind it included.
const maxFailureDepth = 16

// failureOf returns the stored form of what a function returned, nil for nil.
func failureOf(err error) *Failure {
	if err == nil {
		return nil
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

// describe tells of err and of what it wraps, depth errors at most.
func describe(err error, depth int) *Failure {
	switch e := err.(type) {
	case *nonRetriableError: // adds nothing but the mark
		failure := describe(e.err, depth)
		failure.NonRetriable = true
		return failure
	case *TaskFailedError: // is what the task reported
		return cut(&e.Failure, depth)
	}
	failure := &Failure{Type: typeName(err), Message: err.Error(), NonRetriable: history.NonRetriable(err)}
	if inner := unwrap(err); inner != nil && depth > 1 {
		failure.Inner = describe(inner, depth-1)
	}
	return failure
}

// cut copies the outermost depth of a failure and its causes.
func cut(failure *Failure, depth int) *Failure {
	if failure == nil || depth == 0 {
		return nil
	}
	c := *failure
	c.Inner = cut(failure.Inner, depth-1)
	return &c
}

// unwrap returns what err wraps. Of several it is the first that tells of a
// task's failure, else the first.
func unwrap(err error) error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Unwrap(err)
	}
	var first error
	for _, inner := range several.Unwrap() {
		if _, ok := errors.AsType[*TaskFailedError](inner); ok {
			return inner
		}
		if first == nil {
			first = inner
		}
	}
	return first
}

// typeName is the type of err, or of what it wraps where err itself only adds
// text.
func typeName(err error) string {
	for {
		if task, ok := err.(*TaskFailedError); ok {
			return task.Failure.Type
		}
		name := fmt.Sprintf("%T", err)
		inner := unwrap(err)
		_, marker := err.(*nonRetriableError)
		if inner == nil || !marker && !strings.HasPrefix(name, "*fmt.wrapError") && name != "*errors.joinError" {
			return name
		}
		err = inner
	}
}
