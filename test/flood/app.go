// Package flood sends more than can be served to a real process, one kind at a
// time, and looks at its memory and at whether others are served meanwhile.
package flood

import "github.com/perdure/perdure"

// App is the function app that is flooded.
func App() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", func(_ *perdure.OrchestrationContext, in any) (any, error) { return in, nil })
	perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return perdure.WaitForExternalEvent[any](ctx, "go").Await()
	})
	return app
}
