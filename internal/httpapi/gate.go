package httpapi

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/hub"
)

// Gate bounds what the requests to one or more handlers hold together: a
// request is looked at before anything that it brings is read, and what it
// brings or asks for must find room. What finds none is refused with
// [hub.ErrResourceExhausted], which is 429 with Retry-After. It is safe for
// concurrent use.
//
// The first [freeBytes] of each body and each answer are not counted: the
// number of connections bounds them. So what is small gets through while large
// ones are refused.
type Gate struct {
	bodies  budget        // bytes of bodies that are on their way to the hub
	answers budget        // bytes of answers that are on their way to callers
	waits   budget        // requests that wait for an instance
	looks   chan struct{} // holds a token for each read of one instance
	lists   chan struct{} // the same for reads of many, or of whole histories
}

// Limits of a [Gate] unless it is told others.
const (
	GateBytes = 128 << 20
	GateWaits = 2048
)

// freeBytes is how much of a body, and of an answer, is free.
const freeBytes = 16 << 10

// NewGate returns a gate for so many bytes of bodies, as many of answers, and
// so many requests that wait.
func NewGate(bytes int64, waits int) *Gate {
	reads := max(4, 2*runtime.GOMAXPROCS(0))
	g := &Gate{looks: make(chan struct{}, reads), lists: make(chan struct{}, reads)}
	g.bodies.left.Store(bytes)
	g.answers.left.Store(bytes)
	g.waits.left.Store(int64(waits))
	return g
}

// budget is so much of something.
type budget struct{ left atomic.Int64 }

// take reports whether there was as much as n, which is then taken.
func (b *budget) take(n int64) bool {
	if n <= 0 {
		return true
	}
	for {
		left := b.left.Load()
		if n > left {
			return false
		}
		if b.left.CompareAndSwap(left, left-n) {
			return true
		}
	}
}

func (b *budget) give(n int64) {
	if n > 0 {
		b.left.Add(n)
	}
}

// beyondFree is how many of so many bytes are counted.
func beyondFree(bytes int64) int64 { return max(0, bytes-freeBytes) }

func crowded(what string) error {
	return fmt.Errorf("%w: too many %s are under way; nothing was done, try again in a moment", hub.ErrResourceExhausted, what)
}

// readPatience is how long a read waits for its turn.
const readPatience = 2 * time.Second

// read calls do when there is a place for it.
func (r *request) read(places chan struct{}, do func() error) error {
	select {
	case places <- struct{}{}:
	default:
		patient, cancel := context.WithTimeout(r.Context(), readPatience)
		defer cancel()
		select {
		case places <- struct{}{}:
		case <-patient.Done():
			return crowded("reads")
		}
	}
	defer func() { <-places }()
	return do()
}
