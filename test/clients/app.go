// Package clients drives a running host with the client libraries of others.
package clients

import (
	"context"
	"errors"
	"sync"

	"github.com/perdure/perdure"
)

// App is the function app that the clients manage.
func App() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", Echo)
	perdure.AddOrchestrator(app, "Version", Version)
	perdure.AddOrchestrator(app, "Wait", Wait)
	perdure.AddOrchestrator(app, "Fail", Fail)
	perdure.AddOrchestrator(app, "Chain", Chain)
	perdure.AddOrchestrator(app, "FailOnce", FailOnce)
	perdure.AddActivity(app, "Double", Double)
	perdure.AddActivity(app, "Count", Count)
	perdure.AddActivity(app, "CountFailingFirst", CountFailingFirst)
	return app
}

// Echo returns its input.
func Echo(_ *perdure.OrchestrationContext, input any) (any, error) { return input, nil }

// Version returns the version it was started with.
func Version(ctx *perdure.OrchestrationContext, _ any) (string, error) { return ctx.Version(), nil }

// Wait returns what the event "go" brings.
func Wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	ctx.SetCustomStatus(map[string]string{"waits": "go"})
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

// Fail fails.
func Fail(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("told to fail") }

// Chain doubles n three times, one after the other.
func Chain(ctx *perdure.OrchestrationContext, n int) (int, error) {
	for range 3 {
		var err error
		if n, err = perdure.CallActivity(ctx, Double, n).Await(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Double doubles n.
func Double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// FailOnce tells how often its two activities ran. The second one fails the
// first time.
func FailOnce(ctx *perdure.OrchestrationContext, key string) (map[string]int, error) {
	before, err := perdure.CallActivity(ctx, Count, key+" before").Await()
	if err != nil {
		return nil, err
	}
	flaky, err := perdure.CallActivity(ctx, CountFailingFirst, key+" flaky").Await()
	return map[string]int{"before": before, "flaky": flaky}, err
}

var (
	countsMu sync.Mutex // guards counts
	counts   = map[string]int{}
)

// Count returns how often it was called with key.
func Count(_ context.Context, key string) (int, error) {
	countsMu.Lock()
	defer countsMu.Unlock()
	counts[key]++
	return counts[key], nil
}

// CountFailingFirst is Count, and fails the first time.
func CountFailingFirst(ctx context.Context, key string) (int, error) {
	n, err := Count(ctx, key)
	if n == 1 {
		err = errors.New("out of order")
	}
	return n, err
}
