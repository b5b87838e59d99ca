// Package peer gives the same work to every system that Perdure is compared
// with. A peer's program implements [System] and calls [Main]; what is counted,
// how many callers there are and when the clock runs is decided here, once.
package peer

import (
	"context"
	"runtime/debug"
	"slices"
)

// System is a running durable-execution engine with these functions deployed.
// Its methods are what a client of it can do; all are called by many goroutines
// at once. Every activity is durable: its result is on disk before the next one
// begins, and the result of an orchestration is on disk before it is returned.
type System interface {
	// Hello starts an orchestration that calls the activity [SayHello] for each of
	// [Cities] in turn, and returns its result: the three greetings.
	Hello(ctx context.Context) ([]string, error)

	// FanOut starts an orchestration that calls the activity [Next] with 0 to n-1,
	// side by side, and returns its result: the sum of what they return.
	FanOut(ctx context.Context, n int) (int, error)

	// Chain starts an orchestration that calls the activity [Next] n times, each
	// time with the result of the call before, first with 0, and returns the last.
	Chain(ctx context.Context, n int) (int, error)

	// AwaitGo starts an orchestration of that id which waits for an event, and
	// returns its result: the value that the event brings. Just before it waits, the
	// orchestration calls the function that Open was given for that.
	AwaitGo(ctx context.Context, id string) (int, error)

	// Raise sends the event with that value. When it returns the event is on disk.
	Raise(ctx context.Context, id string, value int) error

	// Close stops the system and every process that it started.
	Close() error
}

// About is what a reader must know to judge the figures of a system.
type About struct {
	System     string // its name in results
	Version    string // of the library and of the server, if there is one
	Durability string // as the running system reports it
	Tuning     string // what differs from the defaults, and why
}

// ModuleVersion returns the version of a module that this program was built with.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == path })
	if i < 0 {
		return "unknown"
	}
	return info.Deps[i].Version
}

// Cities are the inputs of hello's activities.
var Cities = []string{"Tokyo", "Seattle", "London"}

// SayHello is the activity of hello.
func SayHello(city string) string { return "Hello, " + city + "!" }

// Next is the activity of fanout and chain.
func Next(n int) int { return n + 1 }
