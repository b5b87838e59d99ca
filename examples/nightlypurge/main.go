// Nightlypurge keeps the store small: every day at noon UTC a timer function
// removes the instances that completed 30 or more days ago. Failed ones stay, for
// somebody to look at.
//
//	go run ./examples/nightlypurge
//
// To purge by age alone no function is needed: host.json can say how long
// instances are kept (retention).
package main

import (
	"context"
	"fmt"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func main() {
	host.Main(app(), host.Tick("NightlyPurge", "0 0 12 * * *", Purge))
}

func app() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Greet", Greet)
	return app
}

// Greet is what fills the store.
func Greet(_ *perdure.OrchestrationContext, name string) (string, error) {
	return "Hello " + name + "!", nil
}

// Purge removes the instances that completed 30 or more days before the tick.
func Purge(ctx context.Context, c *client.Client, tick host.TickTime) error {
	result, err := c.PurgeBy(ctx, client.PurgeFilter{
		CompletedBefore: new(tick.Due.AddDate(0, 0, -30)),
		Statuses:        []client.RuntimeStatus{client.Completed},
	})
	if err != nil {
		return err
	}
	fmt.Printf("Purged %d instances\n", result.Deleted)
	return nil
}
