package replay

import (
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/perdure/perdure/internal/history"
)

// This file is the whole protocol between the driver (the goroutine that calls
// [Session.Run]) and the orchestrator's code, which runs in a coroutine.
//
//	driver                               coroutine
//	  start ---------------------------> main: the user's function runs
//	    <------------------------------- park: an Await that must block
//	  applies one event; if the look may
//	  be able to end now:
//	  resume --------------------------> park returns, the code runs on
//	    <------------------------------- the function has returned
//
// Who resumes whom. Control is in one of the two places at any time. The driver
// resumes the coroutine when the look in which it is parked may be able to end
// (see parked.go), or a task has ended that something continues (a retry):
// continuations run on the coroutine too, so that all user code runs there.
//
// Unloading. unload makes park fail; the Await around it calls
// [runtime.Goexit], which, unlike a panic, no recover of the user can swallow.
// The user's defers run. The context is inert meanwhile: a call that would
// block exits again, a call that would schedule returns a task that never ends,
// and nothing is logged. iter.Pull hands a Goexit of the coroutine on to the
// caller of stop, so stop runs in a goroutine of its own. Nobody waits for that
// longer than he wants to: a user's defer may never come back.
//
// Leaving behind. [Session.Leave] is for code that has control and does not
// give it back: from then on its context is as inert as while it unwinds, and
// whatever it does reaches nobody. Should it come back, it is unloaded.
//
// Goexit by user code (t.FailNow, for instance). A deferred function at the
// coroutine's bottom sees that the function neither returned nor panicked,
// notes it and parks from inside the defer: the driver gets control back as
// always. The Goexit goes on when the coroutine is unloaded.
//
// Panic. Recovered at the bottom and reported as a failure, never passed on.
//
// Goroutines of the user. The guard admits one caller at a time, and only while
// the coroutine has control; everybody else gets [ErrForeignGoroutine]. A
// goroutine that calls while the code happens to run is found out when it tries
// to block: it is not the coroutine's. Once found out, the driver fails the
// instance.
//
// Measured on the reference machine: a switch with iter.Pull takes 63 ns and a
// parked coroutine 2.8 KB; two unbuffered channels and a goroutine take 285 ns.
type coroutine struct {
	guard   atomic.Int32 // who has control, see the constants
	misused atomic.Bool  // a foreign goroutine was found out
	left    atomic.Bool  // left behind: its calls do nothing any more

	stacks    *Stacks
	stack     *stack                // nil: none yet, or not any more
	place     atomic.Pointer[stack] // the last one, for those who look on
	goroutine atomic.Uintptr        // of stack

	code      func() // the user's function
	linger    func() // runs at every resumption after the code has ended; nil: the coroutine ends with the code
	ended     bool   // the code has returned, panicked or exited
	abused    bool   // misused before the code ended
	crash     *history.Failure
	unloading bool
}

// States of the guard.
const (
	parked  int32 = iota // the driver has control
	running              // user code has control
	busy                 // user code has control and is inside a context call
	inert                // user code unwinds; context calls do nothing
	gone                 // no coroutine (any more)
)

// ErrForeignGoroutine answers calls of an orchestration context or its tasks
// that do not come from the orchestrator's own goroutine.
var ErrForeignGoroutine = errors.New("the orchestration context was used outside the orchestrator's own goroutine; " +
	"call it only from the orchestrator function itself, run concurrent work as activities and join them with WhenAll or WhenAny")

// errInert answers calls while the code unwinds.
var errInert = errors.New("the orchestrator is being unloaded")

// start runs code until it parks or ends.
func (c *coroutine) start(code func()) {
	c.code = code
	c.stack = c.stacks.take()
	c.stack.runs = c
	c.place.Store(c.stack)
	c.goroutine.Store(c.stack.goroutine)
	c.resume()
}

// resume gives the code control until it parks or ends, unless it has.
func (c *coroutine) resume() {
	if c.stack == nil {
		return
	}
	c.guard.Store(running)
	c.stack.next()
	if c.guard.Load() == gone {
		c.stacks.put(c.stack)
		c.stack = nil
	}
}

// main runs the code, on a stack, and returns when that is free again.
func (c *coroutine) main() {
	returned := false
	defer func() {
		problem := recover()
		if c.unloading {
			return
		}
		switch {
		case problem != nil:
			c.crash = PanicFailure(problem)
		case !returned:
			c.crash = &history.Failure{Type: history.FailurePanic, Message: "the orchestrator called runtime.Goexit; return an error instead"}
		}
		c.ended, c.abused = true, c.misused.Load()
		if c.linger != nil || !returned && problem == nil {
			c.remain()
			return
		}
		c.guard.Store(gone)
	}()
	code := c.code
	c.code = nil // it holds the input, which the code may be done with long before it ends
	code()
	returned = true
}

// remain keeps the coroutine after its code has ended: for continuations of
// outstanding tasks, or because a Goexit must not go on before unload.
func (c *coroutine) remain() {
	defer func() {
		_ = recover() // how the code ended is decided; a continuation cannot change it
		if !c.unloading {
			c.remain()
		}
	}()
	for {
		c.guard.Store(parked)
		if !c.stack.yield(struct{}{}) {
			return
		}
		if c.linger != nil {
			c.linger()
		}
	}
}

// park gives control back to the driver until the next resume. The caller is on
// the coroutine and inside the guard; it returns outside.
func (c *coroutine) park() {
	c.guard.Store(parked)
	if !c.stack.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// die unwinds the code from inside a context call, for good.
func (c *coroutine) die() {
	c.guard.Store(inert)
	runtime.Goexit()
}

// unload ends the coroutine, which the driver has control of, wherever it is.
// ended is called once its defers have run.
func (c *coroutine) unload(ended func()) {
	k := c.stack
	if k == nil {
		ended()
		return
	}
	c.stack, c.unloading = nil, true
	c.guard.Store(inert)
	go func() { // ends when the user's defers have run, which is told to whoever unloads
		defer ended()
		defer c.guard.Store(gone)
		k.stop()
	}()
}

// enter begins a context call. It fails with errInert or ErrForeignGoroutine.
func (c *coroutine) enter() error {
	if c.left.Load() {
		return errInert
	}
	for !c.guard.CompareAndSwap(running, busy) {
		switch c.guard.Load() {
		case running: // somebody left in between
		case busy:
			c.misused.Store(true)
			if !c.own() {
				return ErrForeignGoroutine
			}
			runtime.Gosched() // a foreign goroutine is inside, for a moment
		case parked:
			c.misused.Store(true)
			return ErrForeignGoroutine
		case inert:
			return errInert
		default: // gone: too late to matter to the instance
			return ErrForeignGoroutine
		}
	}
	return nil
}

// leave ends a context call.
func (c *coroutine) leave() { c.guard.Store(running) }

// own reports whether the caller runs on the coroutine.
func (c *coroutine) own() bool { return c.goroutine.Load() == goroutine() }
