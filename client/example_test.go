package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// approvals is a hub in memory for the examples, with one orchestrator: it waits for an event
// and returns who approved. Programs have their client from package host, or by Remote.
func approvals() (c *client.Client, stop func()) {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Approval", func(ctx *perdure.OrchestrationContext, what string) (string, error) {
		if what == "" {
			return "", errors.New("there is nothing to approve")
		}
		who, err := perdure.WaitForExternalEvent[string](ctx, "Approved").Await()
		return what + " approved by " + who, err
	})
	exec, err := worker.New(app, worker.Options{})
	if err != nil {
		panic(err)
	}
	e := engine.New(memory.New(4), exec, engine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	return client.Local(e), func() {
		cancel()
		<-ended
	}
}

func ExampleClient_Start() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()

	id, err := c.Start(ctx, "Approval", "trip to Oslo", client.StartOptions{ID: "trip-17", Tags: map[string]string{"team": "red"}})
	if err != nil {
		panic(err)
	}
	if err := c.Raise(ctx, id, "Approved", "Ada"); err != nil {
		panic(err)
	}
	status, err := c.Wait(ctx, id)
	if err != nil {
		panic(err)
	}
	fmt.Println(id, status.RuntimeStatus, string(status.Output))

	_, err = c.Start(ctx, "Approval", "another", client.StartOptions{ID: "trip-17", Reuse: client.RefuseIfExists})
	fmt.Println(errors.Is(err, client.ErrAlreadyExists))
	// Output:
	// trip-17 Completed "trip to Oslo approved by Ada"
	// true
}

func ExampleStart() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()

	const approval = perdure.OrchestratorRef[string, string]("Approval")
	run, err := client.Start(ctx, c, approval, "trip to Oslo", client.StartOptions{})
	if err != nil {
		panic(err)
	}
	if err := c.Raise(ctx, run.ID(), "Approved", "Ada"); err != nil {
		panic(err)
	}
	text, err := run.Wait(ctx) // a string, since Approval returns one
	fmt.Println(text, err)
	// Output: trip to Oslo approved by Ada <nil>
}

func ExampleClient_All() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()
	for _, id := range []client.InstanceID{"trip-1", "trip-2", "desk-1"} {
		if _, err := c.Start(ctx, "Approval", "it", client.StartOptions{ID: id}); err != nil {
			panic(err)
		}
	}
	for status, err := range c.All(ctx, client.Query{IDPrefix: "trip-"}) { // newest first
		if err != nil {
			panic(err)
		}
		fmt.Println(status.ID, status.Name)
	}
	counts, err := c.Count(ctx, client.Query{})
	fmt.Println(counts.Total(), err)
	// Output:
	// trip-2 Approval
	// trip-1 Approval
	// 3 <nil>
}

func ExampleClient_Terminate() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()
	id, err := c.Start(ctx, "Approval", "trip", client.StartOptions{})
	if err != nil {
		panic(err)
	}
	if err := c.Terminate(ctx, id, client.TerminateOptions{Reason: "cancelled by the traveller", Wait: true}); err != nil {
		panic(err)
	}
	status, err := c.Status(ctx, id, client.StatusOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(status.RuntimeStatus, string(status.Output))
	fmt.Println(errors.Is(c.Terminate(ctx, id, client.TerminateOptions{}), client.ErrTerminal))
	// Output:
	// Terminated "cancelled by the traveller"
	// true
}

func ExampleClient_Rewind() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()
	id, err := c.Start(ctx, "Approval", "", client.StartOptions{})
	if err != nil {
		panic(err)
	}
	status, err := c.Wait(ctx, id)
	if err != nil {
		panic(err)
	}
	fmt.Println(status.RuntimeStatus, status.FailureText)
	plan, err := c.PlanRewind(ctx, id, client.RewindOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println("from turn", plan.Turn)
	// Output:
	// Failed there is nothing to approve
	// from turn 1
}

func ExampleClient_PurgeBy() {
	c, stop := approvals()
	defer stop()
	ctx := context.Background()
	id, err := c.Start(ctx, "Approval", "trip", client.StartOptions{})
	if err != nil {
		panic(err)
	}
	if err := c.Terminate(ctx, id, client.TerminateOptions{Wait: true}); err != nil {
		panic(err)
	}
	soon := time.Now().Add(time.Hour)
	result, err := c.PurgeBy(ctx, client.PurgeFilter{CreatedTo: &soon}) // those that have ended
	fmt.Println(result.Deleted, result.Complete, err)
	// Output: 1 true <nil>
}

func ExampleRemote() {
	c := client.Remote("http://127.0.0.1:7071", client.RemoteOptions{Key: "the key of keys.json, where one is needed"})
	_, err := c.Status(context.Background(), "trip-17", client.StatusOptions{})
	fmt.Println(err)
}
