package manage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/perdure/perdure"
)

// App has an orchestrator that does what it is told, and a tree of them that
// asks for an approval and then uses something that may be broken.
func App() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Gate", Gate)
	perdure.AddOrchestrator(app, "Root", Root)
	perdure.AddOrchestrator(app, "Middle", Middle)
	perdure.AddOrchestrator(app, "Leaf", Leaf)
	perdure.AddActivity(app, "MayFail", MayFail)
	perdure.AddActivity(app, "Use", Use)
	return app
}

// Gate waits for the event "go": "done" completes it, anything else makes it
// call MayFail, which it does not survive when that fails.
func Gate(ctx *perdure.OrchestrationContext, _ any) (string, error) {
	for {
		what, err := perdure.WaitForExternalEvent[string](ctx, "go").Await()
		if err != nil || what == "done" {
			return what, err
		}
		if _, err := perdure.CallActivity(ctx, MayFail, what).Await(); err != nil {
			return "", err
		}
	}
}

// MayFail fails every other time, more or less.
func MayFail(_ context.Context, what string) (string, error) {
	if rand.N(2) == 0 {
		return "", errors.New("bad luck")
	}
	return what, nil
}

// Order is what a tree is about.
type Order struct {
	ID   string
	Flag string // file; while it is not there, Use fails
}

// Root waits a moment and has Middle do the work.
func Root(ctx *perdure.OrchestrationContext, order Order) (string, error) {
	if _, err := ctx.CreateTimer(10 * time.Millisecond).Await(); err != nil {
		return "", err
	}
	return perdure.CallSubOrchestrator(ctx, Middle, order, perdure.WithInstanceID(perdure.InstanceID(order.ID+"-middle"))).Await()
}

// Middle handles a failure of its own before Leaf does the work.
func Middle(ctx *perdure.OrchestrationContext, order Order) (string, error) {
	if _, err := perdure.CallActivity(ctx, Use, "").Await(); err == nil {
		return "", errors.New("a flag without a name was found")
	}
	return perdure.CallSubOrchestrator(ctx, Leaf, order, perdure.WithInstanceID(perdure.InstanceID(order.ID+"-leaf"))).Await()
}

// Leaf asks for an approval, uses Flag with retries, and tells who approved.
func Leaf(ctx *perdure.OrchestrationContext, order Order) (string, error) {
	who, err := perdure.WaitForExternalEvent[string](ctx, "approval").Await()
	if err != nil {
		return "", err
	}
	retry := perdure.WithRetry(perdure.RetryPolicy{MaxAttempts: 2, FirstInterval: time.Millisecond})
	if _, err := perdure.CallActivity(ctx, Use, order.Flag, retry).Await(); err != nil {
		return "", err
	}
	return who, nil
}

// Use fails unless there is a file of that name.
func Use(_ context.Context, flag string) (bool, error) {
	if _, err := os.Stat(flag); err != nil {
		return false, fmt.Errorf("use: %w", err)
	}
	return true, nil
}
