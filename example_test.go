package perdure_test

import (
	"context"
	"fmt"
	"time"

	"github.com/perdure/perdure"
)

func SayHello(ctx context.Context, city string) (string, error) {
	return "Hello " + city + "!", nil
}

// Function chaining: each call waits for the one before.
func HelloSequence(ctx *perdure.OrchestrationContext, cities []string) ([]string, error) {
	var greetings []string
	for _, city := range cities {
		greeting, err := perdure.CallActivity(ctx, SayHello, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

// Fan-out and fan-in: all calls run at once.
func HelloAll(ctx *perdure.OrchestrationContext, cities []string) ([]string, error) {
	var tasks []*perdure.Task[string]
	for _, city := range cities {
		tasks = append(tasks, perdure.CallActivity(ctx, SayHello, city, perdure.WithRetry(perdure.RetryPolicy{
			FirstInterval: time.Second,
			MaxAttempts:   3,
		})))
	}
	return perdure.WhenAll(ctx, tasks...).Await()
}

// Human interaction: wait for a decision, for a day at most.
func Approval(ctx *perdure.OrchestrationContext, request string) (string, error) {
	approved, err := perdure.WaitForExternalEvent[bool](ctx, "Approved",
		perdure.WithTimeout(24*time.Hour), perdure.WithDefault(false)).Await()
	if err != nil {
		return "", err
	}
	if !approved {
		return "escalated " + request, nil
	}
	return "approved " + request, nil
}

func Example() {
	app := perdure.New()
	perdure.AddActivity(app, "SayHello", SayHello)
	perdure.AddOrchestrator(app, "HelloSequence", HelloSequence)
	perdure.AddOrchestrator(app, "HelloAll", HelloAll)
	perdure.AddOrchestrator(app, "Approval", Approval)
	fmt.Println(app.Validate())

	// Activities are plain functions.
	fmt.Println(SayHello(context.Background(), "Tokyo"))
	// Output:
	// <nil>
	// Hello Tokyo! <nil>
}

func ExampleApp_Validate() {
	app := perdure.New()
	perdure.AddActivity(app, "SayHello", SayHello)
	perdure.AddActivity(app, "sayhello", SayHello)
	fmt.Println(app.Validate() != nil)
	// Output: true
}
