package replay

import (
	"iter"
	"sync"
)

// Stacks keeps the stacks of coroutines whose code has ended for those to come:
// a new one would have to grow first, which costs more than a turn. It is safe
// for concurrent use.
type Stacks struct {
	mu     sync.Mutex // guards the rest
	idle   []*stack
	closed bool
}

// maxIdleStacks bounds what is kept, at some 8 KB each. Few are idle under
// load: a stack comes back when the code on it has ended, and is taken by the
// next start.
const maxIdleStacks = 256

// stack is a goroutine that runs the code of one coroutine after another.
type stack struct {
	next      func() (struct{}, bool)
	stop      func()
	yield     func(struct{}) bool
	goroutine uintptr
	runs      *coroutine // between next and yield
}

// take returns a stack on which nothing runs.
func (s *Stacks) take() *stack {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		k := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return k
	}
	s.mu.Unlock()
	k := &stack{}
	k.next, k.stop = iter.Pull(k.run)
	k.next()
	return k
}

// put takes back a stack whose code has ended.
func (s *Stacks) put(k *stack) {
	k.runs = nil
	s.mu.Lock()
	kept := !s.closed && len(s.idle) < maxIdleStacks
	if kept {
		s.idle = append(s.idle, k)
	}
	s.mu.Unlock()
	if !kept {
		k.stop()
	}
}

// Close ends the stacks that are kept, and those to come back.
func (s *Stacks) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, k := range idle {
		k.stop()
	}
}

// stackMethod is the method that is on the stack of each of these goroutines,
// with its receiver (see [stacktrace.Trace.Place]).
const stackMethod = "github.com/perdure/perdure/internal/replay.(*stack).run"

func (k *stack) run(yield func(struct{}) bool) {
	k.yield, k.goroutine = yield, goroutine()
	for yield(struct{}{}) {
		k.runs.main()
	}
}
