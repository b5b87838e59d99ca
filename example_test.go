package perdure_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perdure/perdure"
)

func SayHello(ctx context.Context, city string) (string, error) {
	return "Hello " + city + "!", nil
}

// Activities are plain functions; an orchestrator calls them one after another.
func Example() {
	app := perdure.New()
	perdure.AddActivity(app, "SayHello", SayHello)
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, cities []string) ([]string, error) {
		var greetings []string
		for _, city := range cities {
			greeting, err := perdure.CallActivity(ctx, SayHello, city).Await()
			if err != nil {
				return nil, err
			}
			greetings = append(greetings, greeting)
		}
		return greetings, nil
	})
	runs(app, []string{"Tokyo", "London"}) // a program calls host.Main(app)
	// Output: ["Hello Tokyo!","Hello London!"]
}

func ExampleApp_Validate() {
	app := perdure.New()
	perdure.AddActivity(app, "SayHello", SayHello)
	perdure.AddActivity(app, "sayhello", SayHello)
	fmt.Println(app.Validate() != nil)
	// Output: true
}

// A function that returns only an error, of a struct with dependencies, called by its name.
func ExampleNoResult() {
	var sent []string
	mail := func(_ context.Context, to string) error { sent = append(sent, to); return nil }
	const sendMail = perdure.ActivityRef[string, perdure.None]("SendMail")

	app := perdure.New()
	perdure.AddActivity(app, sendMail, perdure.NoResult(mail))
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, to string) (perdure.None, error) {
		return perdure.None{}, sendMail.Call(ctx, to).Wait()
	})
	runs(app, "ann@example.org")
	fmt.Println(sent)
	// Output:
	//
	// [ann@example.org]
}

// All calls run at once; their results come in the order of the calls.
func ExampleWhenAll() {
	app := perdure.New()
	perdure.AddActivity(app, "SayHello", SayHello)
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, cities []string) ([]string, error) {
		var tasks []*perdure.Task[string]
		for _, city := range cities {
			tasks = append(tasks, perdure.CallActivity(ctx, SayHello, city))
		}
		return perdure.WhenAll(ctx, tasks...).Await()
	})
	runs(app, []string{"Tokyo", "London", "Seattle"})
	// Output: ["Hello Tokyo!","Hello London!","Hello Seattle!"]
}

// The first of several things to end, here an event and a deadline.
func ExampleWhenAny() {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, order string) (string, error) {
		paid := perdure.WaitForExternalEvent[bool](ctx, "Paid")
		deadline := ctx.CreateTimer(30 * 24 * time.Hour)
		first, err := perdure.WhenAny(ctx, paid, deadline).Await()
		if err != nil || first == 1 {
			return "reminder for " + order, err
		}
		deadline.Cancel()
		return "thanks for " + order, nil
	})
	runs(app, "order 17", "Paid")
	// Output: "thanks for order 17"
}

// Somebody decides, within a day.
func ExampleWaitForExternalEvent() {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, request string) (string, error) {
		approved, err := perdure.WaitForExternalEvent[bool](ctx, "Approval", perdure.WithTimeout(24*time.Hour)).Await()
		if timeout := (*perdure.TimeoutError)(nil); errors.As(err, &timeout) {
			return "nobody looked at " + request, nil
		}
		return fmt.Sprintf("%s approved: %t", request, approved), err
	})
	runs(app, "leave", "Approval")
	// Output: "leave approved: true"
}

// A call that is made again when it fails.
func ExampleWithRetry() {
	attempts := 0
	const flaky = perdure.ActivityRef[string, string]("Flaky")
	app := perdure.New()
	perdure.AddActivity(app, flaky, func(_ context.Context, in string) (string, error) {
		if attempts++; attempts < 3 {
			return "", errors.New("not yet")
		}
		return fmt.Sprintf("%s after %d attempts", in, attempts), nil
	})
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
		policy := perdure.RetryPolicy{FirstInterval: time.Millisecond, MaxAttempts: 5}
		return flaky.Call(ctx, in, perdure.WithRetry(policy)).Await()
	})
	runs(app, "done")
	// Output: "done after 3 attempts"
}

func countdown(ctx *perdure.OrchestrationContext, n int) (string, error) {
	return fmt.Sprintf("%d is over", n), nil
}

// An orchestrator that calls another one as its child.
func ExampleCallSubOrchestrator() {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Countdown", countdown)
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
		return perdure.CallSubOrchestrator(ctx, countdown, n, perdure.WithInstanceID("child")).Await()
	})
	runs(app, 3)
	// Output: "3 is over"
}

// An execution that goes on as a new one, so that its history does not grow.
func ExampleOrchestrationContext_ContinueAsNew() {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, left int) (string, error) {
		if left > 0 {
			return "", ctx.ContinueAsNew(left - 1)
		}
		return "after generations", nil
	})
	runs(app, 5)
	// Output: "after generations"
}

// What an activity returned as its error, with its type.
func ExampleTaskFailedError() {
	app := perdure.New()
	const pay = perdure.ActivityRef[int, string]("Pay")
	perdure.AddActivity(app, pay, func(context.Context, int) (string, error) { return "", errors.New("card declined") })
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, amount int) (string, error) {
		_, err := pay.Call(ctx, amount).Await()
		if failed := (*perdure.TaskFailedError)(nil); errors.As(err, &failed) {
			return failed.Name + ": " + failed.Failure.Message, nil
		}
		return "paid", err
	})
	runs(app, 100)
	// Output: "Pay: card declined"
}
