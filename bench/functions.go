package main

import (
	"context"

	"github.com/perdure/perdure"
)

// The durable functions that are measured. Their activities do nothing worth
// mentioning, so that what is measured is what durability costs.

func newApp() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Hello", hello)
	perdure.AddOrchestrator(app, "FanOut", fanOut)
	perdure.AddOrchestrator(app, "Chain", chain)
	perdure.AddOrchestrator(app, "AwaitGo", awaitGo)
	perdure.AddOrchestrator(app, "ChainThenGo", chainThenGo)
	perdure.AddOrchestrator(app, "Echo", echo)
	perdure.AddOrchestrator(app, "Loop", loop)
	perdure.AddActivity(app, "SayHello", sayHello)
	perdure.AddActivity(app, "Same", same)
	perdure.AddActivity(app, "Next", next)
	return app
}

// hello is the "Hello Cities" sample of Durable Functions.
func hello(ctx *perdure.OrchestrationContext, _ any) ([]string, error) {
	var greetings []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		greeting, err := perdure.CallActivity(ctx, sayHello, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

func sayHello(_ context.Context, city string) (string, error) {
	return "Hello, " + city + "!", nil
}

// fanOut calls n activities side by side and sums up what they return.
func fanOut(ctx *perdure.OrchestrationContext, n int) (int, error) {
	tasks := make([]*perdure.Task[int], n)
	for i := range tasks {
		tasks[i] = perdure.CallActivity(ctx, next, i)
	}
	values, err := perdure.WhenAll(ctx, tasks...).Await()
	sum := 0
	for _, v := range values {
		sum += v
	}
	return sum, err
}

// chain calls n activities, each with the result of the one before.
func chain(ctx *perdure.OrchestrationContext, n int) (int, error) {
	value := 0
	for range n {
		var err error
		if value, err = perdure.CallActivity(ctx, next, value).Await(); err != nil {
			return 0, err
		}
	}
	return value, nil
}

func next(_ context.Context, n int) (int, error) { return n + 1, nil }

// chainThenGo is chain, and then awaitGo; its custom status tells when.
func chainThenGo(ctx *perdure.OrchestrationContext, n int) (int, error) {
	if _, err := chain(ctx, n); err != nil {
		return 0, err
	}
	if err := ctx.SetCustomStatus("waits"); err != nil {
		return 0, err
	}
	return awaitGo(ctx, nil)
}

// echo hands its input through an activity and returns it.
func echo(ctx *perdure.OrchestrationContext, input string) (string, error) {
	return perdure.CallActivity(ctx, same, input).Await()
}

// loop never ends.
func loop(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return nil, ctx.ContinueAsNew(nil)
}

func same(_ context.Context, s string) (string, error) { return s, nil }

// awaitGo waits for the event "Go" and returns what it brings.
func awaitGo(ctx *perdure.OrchestrationContext, _ any) (int, error) {
	return perdure.WaitForExternalEvent[int](ctx, "Go").Await()
}
