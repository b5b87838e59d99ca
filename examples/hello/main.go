// Hello is the first durable function: an orchestrator that calls one activity
// three times, each after the other.
//
//	go run ./examples/hello
//
// It starts one instance, prints its status and goes on serving until Ctrl-C.
// Stop it whenever you like: what has not finished goes on at the next start.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func main() {
	host.Main(app(), host.OnStart(greet))
}

func app() *perdure.App {
	app := perdure.New()
	app.AddOrchestrator("E1_HelloSequence", HelloSequence)
	app.AddOrchestrator("E1_HelloApproved", HelloApproved)
	app.AddActivity("E1_SayHello", SayHello)
	return app
}

// HelloSequence greets three cities, one after the other.
func HelloSequence(ctx *perdure.OrchestrationContext, _ any) ([]string, error) {
	var greetings []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		greeting, err := perdure.CallActivity(ctx, SayHello, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

// HelloApproved greets whomever the event "Approval" names.
func HelloApproved(ctx *perdure.OrchestrationContext, _ any) (string, error) {
	name, err := perdure.WaitForExternalEvent[string](ctx, "Approval").Await()
	if err != nil {
		return "", err
	}
	return perdure.CallActivity(ctx, SayHello, name).Await()
}

// SayHello greets name.
func SayHello(_ context.Context, name string) (string, error) {
	return "Hello " + name + "!", nil
}

// greet starts an instance and prints how it ended.
func greet(ctx context.Context, c *client.Client) error {
	id, err := c.StartNew(ctx, "E1_HelloSequence", nil, client.StartOptions{})
	if err != nil {
		return err
	}
	status, err := c.WaitForCompletion(ctx, id)
	if err != nil {
		return err
	}
	var output bytes.Buffer
	if err := json.Indent(&output, status.Output, "", "  "); err != nil {
		return err
	}
	fmt.Printf("Instance %s: %s\n%s\n", id, status.Status, output.String())
	return nil
}
