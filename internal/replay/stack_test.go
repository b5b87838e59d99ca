package replay

import (
	"encoding/json"
	"runtime"
	"sync"
	"testing"

	"github.com/perdure/perdure/internal/history"
)

func TestGoroutinesAreToldApart(t *testing.T) {
	const n = 100
	mine := goroutine()
	others := make(chan uintptr, n)
	var started sync.WaitGroup
	var end sync.WaitGroup
	started.Add(n)
	for range n {
		end.Go(func() {
			first := goroutine()
			started.Done()
			started.Wait() // all are alive at once
			grow(100)
			if again := goroutine(); again != first {
				t.Errorf("goroutine() = %#x, then %#x in the same goroutine", first, again)
			}
			others <- first
		})
	}
	end.Wait()
	close(others)
	seen := map[uintptr]bool{mine: true}
	for g := range others {
		if seen[g] {
			t.Errorf("goroutine() = %#x in two goroutines", g)
		}
		seen[g] = true
	}
	if again := goroutine(); again != mine {
		t.Errorf("goroutine() = %#x, then %#x in the same goroutine", mine, again)
	}
}

// grow makes the stack move.
func grow(depth int) byte {
	var room [1 << 10]byte
	if depth > 0 {
		room[depth] = grow(depth - 1)
	}
	return room[depth]
}

func TestStackServesOneSessionAfterAnother(t *testing.T) {
	var stacks Stacks
	ran := func(f Func) (on uintptr) {
		s := New(func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
			on = goroutine()
			return f(c, input)
		}, Config{Instance: history.Instance{ID: "a"}, Stacks: &stacks})
		defer s.Stop()
		if _, err := s.Run(t.Context(), history.Work{Turn: history.Turn{Seq: 1, Events: []history.Event{start("")}}}); err != nil {
			t.Fatal(err)
		}
		return on
	}
	returns := func(*Context, json.RawMessage) (json.RawMessage, *history.Failure) { return nil, nil }
	panics := func(*Context, json.RawMessage) (json.RawMessage, *history.Failure) { panic("boom") }
	exits := func(*Context, json.RawMessage) (json.RawMessage, *history.Failure) { runtime.Goexit(); return nil, nil }
	waits := func(c *Context, _ json.RawMessage) (json.RawMessage, *history.Failure) {
		wait(c, call(c, "A", ""))
		return nil, nil
	}

	first := ran(returns)
	if second := ran(panics); second != first {
		t.Error("code that returned left no stack behind")
	}
	if third := ran(exits); third != first {
		t.Error("code that panicked left no stack behind")
	}
	ran(waits) // is unloaded
	if n := len(stacks.idle); n != 0 {
		t.Errorf("%d stacks are kept; want none: code exited on one, and was unloaded from the other", n)
	}
	ran(returns)
	ran(returns)
	if n := len(stacks.idle); n != 1 {
		t.Errorf("%d stacks are kept; want 1", n)
	}
	stacks.Close()
	ran(returns)
	if n := len(stacks.idle); n != 0 {
		t.Errorf("%d stacks are kept after Close; want none", n)
	}
}
