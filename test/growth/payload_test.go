package growth

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

const (
	large  = 1 << 20
	rounds = 4
	crowd  = 16 // instances in a round
)

func fetch(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }

func count(_ context.Context, text string) (int, error) { return len(text), nil }

// largeApp has one orchestrator for each place where a payload can be. Each ends at
// once, or says so on waits and waits for an event if its input begins with "idle".
func largeApp(waits chan<- string) *perdure.App {
	app := perdure.New()
	perdure.AddActivity(app, "Fetch", fetch)
	perdure.AddActivity(app, "Count", count)
	perdure.AddOrchestrator(app, "Large", func(_ *perdure.OrchestrationContext, n int) (string, error) { return strings.Repeat("x", n), nil })
	const child = perdure.OrchestratorRef[int, string]("Large")
	add := func(name perdure.OrchestratorRef[string, any], do func(ctx *perdure.OrchestrationContext, in string) error) {
		perdure.AddOrchestrator(app, name, func(ctx *perdure.OrchestrationContext, in string) (any, error) {
			if err := do(ctx, in); err != nil || !strings.HasPrefix(in, "idle") {
				return nil, err
			}
			if !ctx.Replaying() {
				waits <- string(ctx.InstanceID())
			}
			return perdure.WaitForExternalEvent[string](ctx, "end").Await()
		})
	}
	add("ActivityResult", func(ctx *perdure.OrchestrationContext, _ string) error {
		_, err := perdure.CallActivity(ctx, fetch, large).Await()
		return err
	})
	add("ActivityInput", func(ctx *perdure.OrchestrationContext, _ string) error {
		_, err := perdure.CallActivity(ctx, count, strings.Repeat("x", large)).Await()
		return err
	})
	add("Event", func(ctx *perdure.OrchestrationContext, _ string) error {
		_, err := perdure.WaitForExternalEvent[string](ctx, "go").Await()
		return err
	})
	add("ChildResult", func(ctx *perdure.OrchestrationContext, _ string) error {
		_, err := child.Call(ctx, large).Await()
		return err
	})
	add("Input", func(*perdure.OrchestrationContext, string) error { return nil })
	// A timer is made in the turn that takes the result in: the fold keeps the one
	// and must not keep the other.
	add("ResultAndTimer", func(ctx *perdure.OrchestrationContext, _ string) error {
		_, err := perdure.CallActivity(ctx, fetch, large).Await()
		ctx.CreateTimer(1 << 62)
		return err
	})
	return app
}

// inputs are what each orchestrator is started with besides "idle" or "end".
var inputs = map[string]string{
	"ActivityResult": "", "ActivityInput": "", "Event": "", "ChildResult": "", "ResultAndTimer": "",
	"Input": strings.Repeat("x", large),
}

// runLarge starts crowd instances and returns when all have ended, or wait.
func runLarge(t *testing.T, c *client.Client, waits <-chan string, name, mode string, round int) (ids []string) {
	t.Helper()
	for i := range crowd {
		id := fmt.Sprintf("%s-%s-%d-%d", name, mode, round, i)
		if _, err := c.Start(t.Context(), name, mode+inputs[name], client.StartOptions{ID: client.InstanceID(id)}); err != nil {
			t.Fatalf("start %s: %v", id, err)
		}
		if name == "Event" {
			if err := c.Raise(t.Context(), client.InstanceID(id), "go", strings.Repeat("x", large)); err != nil {
				t.Fatalf("raise an event to %s: %v", id, err)
			}
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if mode == "end" {
			if _, err := c.Wait(t.Context(), client.InstanceID(id)); err != nil {
				t.Fatalf("wait for %s: %v", id, err)
			}
			continue
		}
		<-waits
	}
	if mode == "idle" {
		for _, id := range ids { // such a start is answered when the turn is over and stored
			if _, err := c.Start(t.Context(), name, nil, client.StartOptions{ID: client.InstanceID(id), Reuse: client.ReturnExisting}); err != nil {
				t.Fatalf("look at %s: %v", id, err)
			}
		}
	}
	return ids
}

// runHub runs app on a store on disk, so that what memory there is, is the
// engine's.
func runHub(t *testing.T, app *perdure.App) *client.Client {
	db, err := embedded.Open(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	hub, err := db.Hub("Hub", store.HubOptions{Create: true})
	if err != nil {
		t.Fatalf("open the hub: %v", err)
	}
	return run(t, hub, app)
}

// What has ended holds no payload in memory, whether it is purged or not.
func TestLargePayloadsOfEndedInstancesAreNotHeld(t *testing.T) {
	for name := range inputs {
		t.Run(name, func(t *testing.T) {
			c := runHub(t, largeApp(nil))
			runLarge(t, c, nil, name, "end", 0)
			first := inUse()
			for round := range rounds {
				ids := runLarge(t, c, nil, name, "end", round+1)
				if round%2 == 0 {
					for _, id := range ids {
						if _, err := c.Purge(t.Context(), client.InstanceID(id), client.PurgeOptions{}); err != nil {
							t.Fatalf("purge %s: %v", id, err)
						}
					}
				}
			}
			grown := inUse() - first
			t.Logf("in use after %d MB: %d bytes; after %d MB more: %+d", crowd*large>>20, first, rounds*crowd*large>>20, grown)
			if grown > crowd*large/2 {
				t.Errorf("memory grew by %d bytes over %d payloads of %d bytes", grown, rounds*crowd, large)
			}
		})
	}
}

// What waits may be kept loaded, with what its code holds, up to the size of the
// cache.
func TestLargePayloadsOfIdleInstancesStayWithinTheCache(t *testing.T) {
	const cache = 64 << 20
	for name := range inputs {
		t.Run(name, func(t *testing.T) {
			waits := make(chan string, crowd)
			c := runHub(t, largeApp(waits))
			before := inUse()
			for round := range 2 * rounds {
				runLarge(t, c, waits, name, "idle", round)
			}
			grown := inUse() - before
			t.Logf("in use after %d MB in instances that wait: %+d bytes", 2*rounds*crowd*large>>20, grown)
			if grown > cache*3/2 { // what the store has at hand, and values beside their JSON
				t.Errorf("instances that wait hold %d bytes, the cache is of %d", grown, cache)
			}
		})
	}
}
