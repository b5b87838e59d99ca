package corrupt

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/perdure/perdure"
)

// App is the function app that fills the folders.
func App() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Chain", Chain)
	perdure.AddOrchestrator(app, "Parent", Parent)
	perdure.AddOrchestrator(app, "Generations", Generations)
	perdure.AddOrchestrator(app, "Fail", Fail)
	perdure.AddOrchestrator(app, "Wait", Wait)
	perdure.AddOrchestrator(app, "Sleep", Sleep)
	perdure.AddActivity(app, "Shout", Shout)
	return app
}

// Chain shouts a text twice.
func Chain(ctx *perdure.OrchestrationContext, text string) (string, error) {
	if err := ctx.SetCustomStatus(map[string]int{"bytes": len(text)}); err != nil {
		return "", err
	}
	for range 2 {
		var err error
		if text, err = perdure.CallActivity(ctx, Shout, text).Await(); err != nil {
			return "", err
		}
	}
	return text, nil
}

// Parent has two children shout.
func Parent(ctx *perdure.OrchestrationContext, text string) ([]string, error) {
	return perdure.WhenAll(ctx, perdure.CallSubOrchestrator(ctx, Chain, text), perdure.CallSubOrchestrator(ctx, Chain, text+"!")).Await()
}

// Generations has so many executions.
func Generations(ctx *perdure.OrchestrationContext, left int) (int, error) {
	if left == 0 {
		return 0, nil
	}
	return 0, ctx.ContinueAsNew(left - 1)
}

// Fail fails.
func Fail(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("it was to fail") }

// Wait waits for an event that nobody sends.
func Wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

// Sleep sleeps longer than a test takes.
func Sleep(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return ctx.CreateTimer(1000 * time.Hour).Await()
}

// Shout returns text in capital letters.
func Shout(_ context.Context, text string) (string, error) { return strings.ToUpper(text), nil }
