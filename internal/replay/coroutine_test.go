package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/perdure/perdure/internal/history"
)

// end returns the failure or result that the outcome's last action ends with.
func end(t *testing.T, out history.Outcome, err error) (result string, failure *history.Failure) {
	t.Helper()
	if err != nil || len(out.Actions) == 0 || out.Actions[len(out.Actions)-1].Kind != history.CompleteExecution {
		t.Fatalf("turn = %+v, %v; want it to end with CompleteExecution", out, err)
	}
	last := out.Actions[len(out.Actions)-1]
	return string(last.Payload), last.Failure
}

func TestUnloadRunsDefersWithInertContext(t *testing.T) {
	var logged bytes.Buffer
	var trace []string
	d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		defer func() { trace = append(trace, "outer") }()
		defer func() {
			c.Logger().Error("unwinding")
			task := call(c, "Cleanup", "")
			trace = append(trace, "inner")
			c.Await(task)
			trace = append(trace, "after a call that blocks")
		}()
		defer func() {
			if problem := recover(); problem != nil {
				trace = append(trace, "recovered")
			}
		}()
		wait(c, call(c, "A", ""))
		trace = append(trace, "went on")
		return nil, nil
	}, false)
	d.config.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	if _, err := d.turn(start("")); err != nil {
		t.Fatal(err)
	}
	d.session.Stop()
	if got, want := strings.Join(trace, ", "), "inner, outer"; got != want {
		t.Errorf("Stop() ran %q; want %q", got, want)
	}
	if n := len(d.session.pending); n != 0 {
		t.Errorf("Stop() left %d actions; want none", n)
	}
	if logged.Len() > 0 {
		t.Errorf("Stop() logged %q; want nothing", logged.String())
	}
	d.session.Stop() // again changes nothing
}

func TestPanicFailsTheInstance(t *testing.T) {
	d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		wait(c, call(c, "A", ""))
		panic(errors.New("boom"))
	}, false)
	d.turn(start(""))
	out, err := d.turn(done(0, ""))
	_, failure := end(t, out, err)
	if failure == nil || failure.Type != history.FailurePanic || failure.Message != "boom" || !strings.Contains(failure.Stack, "coroutine_test.go") {
		t.Errorf("failure = %+v; want a panic, boom, with the stack of the orchestrator", failure)
	}
}

func TestPanicWhileUnloadingIsContained(t *testing.T) {
	d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		defer func() { panic("in a defer") }()
		wait(c, call(c, "A", ""))
		return nil, nil
	}, false)
	d.turn(start(""))
	d.session.Stop()
}

func TestGoexitFailsTheInstance(t *testing.T) {
	for _, awaitOutstanding := range []bool{false, true} {
		deferred := false
		d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
			defer func() { deferred = true }()
			wait(c, call(c, "A", ""))
			runtime.Goexit()
			return nil, nil
		}, false)
		d.config.AwaitOutstanding = awaitOutstanding
		d.turn(start(""))
		out, err := d.turn(done(0, ""))
		_, failure := end(t, out, err)
		if failure == nil || failure.Type != history.FailurePanic || !strings.Contains(failure.Message, "Goexit") || !deferred {
			t.Errorf("failure = %v, deferred = %v; want a panic that names Goexit, true", failure, deferred)
		}
	}
}

func TestGoexitInContinuationAfterTheEnd(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		c.OnDone(call(c, "A", ""), runtime.Goexit)
		c.OnDone(call(c, "B", ""), func() { panic("boom") })
		return `"out"`
	}), false)
	d.config.AwaitOutstanding = true
	d.turn(start(""))
	if out, err := d.turn(done(0, "")); err != nil || len(out.Actions) > 0 {
		t.Fatalf("turn = %v, %v; want no action, the end is withheld", out, err)
	}
	out, err := d.turn(done(1, ""))
	if result, failure := end(t, out, err); failure != nil || result != `"out"` {
		t.Errorf("end = %s, %v; want \"out\"", result, failure)
	}
}

func TestForeignGoroutineBlocks(t *testing.T) {
	var got error
	d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		task := call(c, "A", "")
		done := make(chan struct{})
		go func() { // the orchestrator waits for it
			defer close(done)
			got = c.Await(task)
		}()
		<-done
		wait(c, task)
		return nil, nil
	}, false)
	out, err := d.turn(start(""))
	_, failure := end(t, out, err)
	if got != ErrForeignGoroutine {
		t.Errorf("Await in a goroutine of the user = %v; want %v", got, ErrForeignGoroutine)
	}
	if failure == nil || failure.Type != history.FailureMisuse {
		t.Errorf("failure = %v; want %s", failure, history.FailureMisuse)
	}
}

func TestForeignGoroutineWhileParked(t *testing.T) {
	var ctx *Context
	var task *Task
	d := newDriver(t, code(func(c *Context, input string) string {
		ctx, task = c, call(c, "A", "")
		return wait(c, task)
	}), false)
	d.turn(start(""))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := ctx.Await(task); err != ErrForeignGoroutine {
				t.Errorf("Await(parked) = %v; want %v", err, ErrForeignGoroutine)
			}
			if refused := call(ctx, "B", ""); !refused.done || refused.Err() != ErrForeignGoroutine {
				t.Errorf("ScheduleTask(parked) = %+v; want a task that has failed with %v", refused, ErrForeignGoroutine)
			}
			ctx.CancelTimer(task)
			ctx.ContinueAsNew(Next{})
			if guid := ctx.NewGUID(); guid != "" {
				t.Errorf("NewGUID(parked) = %q; want none", guid)
			}
			ctx.Now()
			ctx.Replaying()
		})
	}
	group.Wait()
	out, err := d.turn(done(0, ""))
	if _, failure := end(t, out, err); failure == nil || failure.Type != history.FailureMisuse || !strings.Contains(failure.Message, "activities") {
		t.Errorf("failure = %v; want %s with advice", failure, history.FailureMisuse)
	}
	if err := ctx.Await(task); err != ErrForeignGoroutine {
		t.Errorf("Await(ended) = %v; want %v", err, ErrForeignGoroutine)
	}
}

// Goroutines that use the context while the code runs cannot corrupt it; the
// race detector watches.
func TestForeignGoroutineWhileRunning(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		var group sync.WaitGroup
		task := call(c, "A", "")
		for range 3 {
			group.Go(func() {
				for range 100 {
					call(c, "B", "")
					c.Done(task)
					c.Await(task)
				}
			})
		}
		for range 100 {
			call(c, "C", "")
		}
		group.Wait()
		return wait(c, task)
	}), false)
	out, err := d.turn(start(""))
	if _, failure := end(t, out, err); failure == nil || failure.Type != history.FailureMisuse {
		t.Errorf("failure = %v; want %s", failure, history.FailureMisuse)
	}
}

func TestAwaitDeepInTheStack(t *testing.T) {
	var descend func(c *Context, depth int, task *Task) string
	descend = func(c *Context, depth int, task *Task) string {
		if depth == 0 {
			return wait(c, task)
		}
		return descend(c, depth-1, task)
	}
	for _, depth := range []int{0, 20, 40, 41, 42, 43, 44, 45, 46, 47, 48, 500} {
		d := newDriver(t, code(func(c *Context, input string) string { return descend(c, depth, call(c, "A", "")) }), false)
		d.turn(start(""))
		out, err := d.turn(done(0, "1"))
		if result, failure := end(t, out, err); result != "1" {
			t.Errorf("Await at depth %d = %q, %v; want 1", depth, result, failure)
		}
	}
}

func TestLimitEndsCodeThatNeverWaits(t *testing.T) {
	unwound := false
	d := newDriver(t, func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		defer func() { unwound = true }()
		for {
			call(c, "A", "")
		}
	}, false)
	out, err := d.turn(start(""))
	_, failure := end(t, out, err)
	if failure == nil || failure.Type != history.FailureActionLimit || !strings.Contains(failure.Message, "100000") || !unwound {
		t.Errorf("failure = %v, unwound = %v; want %s naming 100000, true", failure, unwound, history.FailureActionLimit)
	}
}
