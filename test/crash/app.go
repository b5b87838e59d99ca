// Package crash kills a real function app again and again while it works, and
// then asks its store whether anything was lost, doubled or left behind.
package crash

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perdure/perdure"
)

// App is the function app under test: one orchestrator for each thing that a
// crash could tear apart. Each returns an output that its input determines.
func App() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Chain", Chain)
	perdure.AddOrchestrator(app, "FanOut", FanOut)
	perdure.AddOrchestrator(app, "Timer", Timer)
	perdure.AddOrchestrator(app, "Parent", Parent)
	perdure.AddOrchestrator(app, "Event", Event)
	perdure.AddOrchestrator(app, "Generations", Generations)
	perdure.AddOrchestrator(app, "Retry", Retry)
	perdure.AddActivity(app, "Double", Double)
	perdure.AddActivity(app, "FailFirst", FailFirst)
	return app
}

// Kinds are the orchestrators to start, with the output for the input n.
var Kinds = []struct {
	Name   string
	Output func(n int) string
}{
	{"Chain", func(n int) string { return fmt.Sprint(n * 8) }},
	{"FanOut", func(n int) string { return fmt.Sprint(5*2*n + 2*(0+1+2+3+4)) }},
	{"Timer", func(n int) string { return fmt.Sprint(n * 2) }},
	{"Parent", func(n int) string { return fmt.Sprint(n*8 + (n+1)*8) }},
	{"Event", func(n int) string { return fmt.Sprint(n*2 + n) }},
	{"Generations", func(n int) string { return fmt.Sprint(n * 8) }},
	{"Retry", func(n int) string { return fmt.Sprint(n * 2) }},
}

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

// FanOut doubles n to n+4 side by side and adds the results.
func FanOut(ctx *perdure.OrchestrationContext, n int) (int, error) {
	var tasks []*perdure.Task[int]
	for i := range 5 {
		tasks = append(tasks, perdure.CallActivity(ctx, Double, n+i))
	}
	results, err := perdure.WhenAll(ctx, tasks...).Await()
	sum := 0
	for _, r := range results {
		sum += r
	}
	return sum, err
}

// Timer waits a moment before it doubles n.
func Timer(ctx *perdure.OrchestrationContext, n int) (int, error) {
	if _, err := ctx.CreateTimer(30 * time.Millisecond).Await(); err != nil {
		return 0, err
	}
	return perdure.CallActivity(ctx, Double, n).Await()
}

// Parent has two children double n and n+1 three times.
func Parent(ctx *perdure.OrchestrationContext, n int) (int, error) {
	first := perdure.CallSubOrchestrator(ctx, Chain, n)
	second := perdure.CallSubOrchestrator(ctx, Chain, n+1)
	results, err := perdure.WhenAll(ctx, first, second).Await()
	if err != nil {
		return 0, err
	}
	return results[0] + results[1], nil
}

// Event doubles n and adds what the event "go" brings.
func Event(ctx *perdure.OrchestrationContext, n int) (int, error) {
	doubled, err := perdure.CallActivity(ctx, Double, n).Await()
	if err != nil {
		return 0, err
	}
	more, err := perdure.WaitForExternalEvent[int](ctx, "go").Await()
	return doubled + more, err
}

// Generation is the input of one execution of Generations.
type Generation struct{ N, Left int }

// Generations doubles n once in each of three executions.
func Generations(ctx *perdure.OrchestrationContext, g Generation) (int, error) {
	n, err := perdure.CallActivity(ctx, Double, g.N).Await()
	if err != nil || g.Left == 0 {
		return n, err
	}
	return 0, ctx.ContinueAsNew(Generation{n, g.Left - 1})
}

// Retry needs a second attempt.
func Retry(ctx *perdure.OrchestrationContext, n int) (int, error) {
	policy := perdure.RetryPolicy{FirstInterval: 10 * time.Millisecond, MaxAttempts: 3}
	return perdure.CallActivity(ctx, FailFirst, n, perdure.WithRetry(policy)).Await()
}

// Double returns 2n.
func Double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// FailFirst returns 2n, but not at the first attempt.
func FailFirst(ctx context.Context, n int) (int, error) {
	if info, _ := perdure.ActivityInfoFrom(ctx); info.Attempt == 1 {
		return 0, errors.New("the first attempt fails")
	}
	return 2 * n, nil
}

// Input returns what to start the kind with.
func Input(name string, n int) any {
	if name == "Generations" {
		return Generation{n, 2}
	}
	return n
}
