package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// addCollector adds an orchestrator that takes so many events Item, after the
// event Go, and returns what they carried.
func addCollector(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Collector", func(ctx *perdure.OrchestrationContext, n int) ([]string, error) {
		if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
			return nil, err
		}
		items := make([]string, n)
		for i := range items {
			item, err := perdure.WaitForExternalEvent[string](ctx, "Item").Await()
			if err != nil {
				return nil, err
			}
			items[i] = item
		}
		return items, nil
	})
}

func TestF65_RaisedBeforeOrAfterTheWaitAnEventIsDelivered(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		first := w.mustStart("Collector", 1, client.StartOptions{})
		w.raise(first, "Item", "early") // perhaps even before the first turn
		w.settle()
		w.raise(first, "Go", nil)
		if got, want := w.completed(first), `["early"]`; got != want {
			w.Errorf("raise then wait: output = %s, want %s", got, want)
		}
		second := w.mustStart("Collector", 1, client.StartOptions{})
		w.raise(second, "Go", nil)
		w.settle()
		w.raise(second, "Item", "late")
		if got, want := w.completed(second), `["late"]`; got != want {
			w.Errorf("wait then raise: output = %s, want %s", got, want)
		}
		// An event for an instance whose start is not due waits with it.
		third := w.mustStart("Collector", 1, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		w.raise(third, "Item", "very early")
		w.raise(third, "Go", nil)
		w.settle()
		w.crash()
		if got, want := w.completed(third), `["very early"]`; got != want {
			w.Errorf("raise while Pending: output = %s, want %s", got, want)
		}
	})
}

func TestF66_EventNamesMatchIgnoringCase(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 2, client.StartOptions{})
		w.raise(id, "ITEM", "buffered")
		w.raise(id, "gO", nil)
		w.settle()
		w.raise(id, "item", "awaited")
		if got, want := w.completed(id), `["buffered","awaited"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF67_BufferedEventsAreConsumedInRaiseOrder(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 3, client.StartOptions{})
		for _, item := range []string{"one", "two", "three"} {
			w.raise(id, "Item", item)
		}
		w.crash()
		w.raise(id, "Go", nil)
		if got, want := w.completed(id), `["one","two","three"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF68_OfTwoWaitsTheFirstArgumentTakesTheEvent(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Twice", func(ctx *perdure.OrchestrationContext, _ string) ([]string, error) {
			older := perdure.WaitForExternalEvent[string](ctx, "Item")
			newer := perdure.WaitForExternalEvent[string](ctx, "item")
			winner, err := perdure.WhenAny(ctx, newer, older).Await()
			if err != nil {
				return nil, err
			}
			both, err := perdure.WhenAll(ctx, older, newer).Await()
			return append(both, fmt.Sprint("winner ", winner)), err
		})
	}, func(w *world) {
		id := w.mustStart("Twice", "", client.StartOptions{})
		w.settle()
		w.raise(id, "Item", "first")
		w.settle()
		w.raise(id, "Item", "second")
		if got, want := w.completed(id), `["second","first","winner 0"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF69_TimedOutWaitDoesNotConsumeALaterEvent(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Patient", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			_, err := perdure.WaitForExternalEvent[string](ctx, "Item", perdure.WithTimeout(time.Second)).Await()
			if _, ok := errors.AsType[*perdure.TimeoutError](err); !ok {
				return "", fmt.Errorf("the first wait ended with %w, want a *perdure.TimeoutError", err)
			}
			if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
				return "", err
			}
			return perdure.WaitForExternalEvent[string](ctx, "Item").Await()
		})
	}, func(w *world) {
		id := w.mustStart("Patient", "", client.StartOptions{})
		time.Sleep(2 * time.Second)
		w.raise(id, "Item", "late")
		w.settle()
		w.raise(id, "Go", nil)
		if got, want := w.completed(id), `"late"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF70_WaitWithATimeout(t *testing.T) {
	const timeout = time.Minute
	contract(t, func(w *world, app *perdure.App) {
		wait := func(ctx *perdure.OrchestrationContext, opts ...perdure.EventOption) (string, error) {
			return perdure.WaitForExternalEvent[string](ctx, "Item", append(opts, perdure.WithTimeout(timeout))...).Await()
		}
		perdure.AddOrchestrator(app, "WithDefault", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return wait(ctx, perdure.WithDefault("nobody came"))
		})
		perdure.AddOrchestrator(app, "WithError", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			return wait(ctx)
		})
	}, func(w *world) {
		for _, c := range []struct {
			name   string
			raised bool
			status history.RuntimeStatus
			output string
		}{
			{"WithDefault", false, history.Completed, `"nobody came"`},
			{"WithError", false, history.Failed, `"*perdure.TimeoutError: event Item not received in 1m0s"`},
			{"WithDefault", true, history.Completed, `"here"`},
			{"WithError", true, history.Completed, `"here"`},
		} {
			id := w.mustStart(c.name, "", client.StartOptions{})
			if c.raised {
				w.settle()
				w.raise(id, "Item", "here")
			} else {
				time.Sleep(timeout + timerTolerance)
			}
			w.settle()
			if s := w.status(id); s.RuntimeStatus != c.status || string(s.Output) != c.output {
				w.Errorf("%s, raised %t: %s with %s, want %s with %s", c.name, c.raised, s.RuntimeStatus, s.Output, c.status, c.output)
			}
			if n := w.storedTimers(); n != 0 {
				w.Errorf("%s, raised %t: the store holds %d timers, want none", c.name, c.raised, n)
			}
		}
	})
}

func TestF71_EventWithoutPayloadIsNull(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Waiter", func(ctx *perdure.OrchestrationContext, _ string) (bool, error) {
			got, err := perdure.WaitForExternalEvent[*string](ctx, "Item").Await()
			return got == nil, err
		})
	}, func(w *world) {
		for _, data := range []any{nil, json.RawMessage(nil), json.RawMessage("null")} {
			id := w.mustStart("Waiter", "", client.StartOptions{})
			w.raise(id, "Item", data)
			if got := w.completed(id); got != "true" {
				w.Errorf("Raise(%#v): the event is nil: %s, want true", data, got)
			}
		}
	})
}

func TestF72_PayloadOfWrongShapeFailsOnlyThatWait(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Picky", func(ctx *perdure.OrchestrationContext, _ string) (int, error) {
			_, err := perdure.WaitForExternalEvent[int](ctx, "Item").Await()
			if _, ok := errors.AsType[*perdure.ConversionError](err); !ok {
				return 0, fmt.Errorf("the first wait ended with %w, want a *perdure.ConversionError", err)
			}
			return perdure.WaitForExternalEvent[int](ctx, "Item").Await()
		})
	}, func(w *world) {
		id := w.mustStart("Picky", "", client.StartOptions{})
		w.raise(id, "Item", map[string]string{"not": "a number"})
		w.settle()
		w.raise(id, "Item", 7)
		if got := w.completed(id); got != "7" {
			w.Errorf("output = %s, want 7", got)
		}
	})
}

func TestF73_RaiseToAMissingInstanceIsAnError(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		err := w.Raise(context.Background(), "nobody", "Item", "x")
		if !errors.Is(err, client.ErrNotFound) {
			w.Errorf("Raise(nobody) = %v, want %v", err, client.ErrNotFound)
		}
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
		// What was raised for nobody is not there for who has the id later.
		id := w.mustStart("Collector", 1, client.StartOptions{ID: "nobody"})
		w.raise(id, "Go", nil)
		w.settle()
		w.raise(id, "Item", "y")
		if got, want := w.completed(id), `["y"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF74_RaiseToAnEndedInstanceIsAnError(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		completed := w.mustStart("Collector", 0, client.StartOptions{})
		w.raise(completed, "Go", nil)
		w.completed(completed)
		terminated := w.mustStart("Collector", 0, client.StartOptions{})
		if err := w.Terminate(context.Background(), history.InstanceID(terminated), client.TerminateOptions{}); err != nil {
			w.Fatalf("Terminate = %v", err)
		}
		w.ended(terminated, history.Terminated)
		for _, id := range []string{completed, terminated} {
			before := w.json(id)
			err := w.Raise(context.Background(), history.InstanceID(id), "Item", "x")
			if !errors.Is(err, client.ErrTerminal) || !errors.Is(err, client.ErrInvalidState) {
				w.Errorf("Raise to %s = %v, want %v", before, err, client.ErrTerminal)
			}
			w.settle()
			if after := w.json(id); after != before {
				w.Errorf("the instance has changed:\n before %s\n after  %s", before, after)
			}
		}
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
	})
}

func TestF75_EventsRaisedWhileSuspendedComeInOrderAtResume(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 3, client.StartOptions{})
		w.settle()
		if err := w.Suspend(context.Background(), history.InstanceID(id), "pause"); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.raise(id, "Go", nil)
		w.raise(id, "Item", "one")
		w.settle()
		w.crash()
		w.raise(id, "Item", "two")
		w.settle()
		w.raise(id, "Item", "three")
		time.Sleep(time.Minute)
		w.settle()
		if s := w.status(id); s.RuntimeStatus != history.Suspended {
			w.Errorf("the instance is %s, want Suspended", s.RuntimeStatus)
		}
		if err := w.Resume(context.Background(), history.InstanceID(id), "go on"); err != nil {
			w.Fatalf("Resume = %v", err)
		}
		if got, want := w.completed(id), `["one","two","three"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestF76_EventOfOneIdempotencyKeyIsDeliveredOnce(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Forever", func(ctx *perdure.OrchestrationContext, got []string) ([]string, error) {
			item, err := perdure.WaitForExternalEvent[string](ctx, "Item").Await()
			if err != nil || item == "end" {
				return got, err
			}
			return nil, ctx.ContinueAsNew(append(got, item))
		})
	}, func(w *world) {
		id := w.mustStart("Forever", []string{}, client.StartOptions{})
		raise := func(item, key string) {
			w.Helper()
			if err := w.Raise(context.Background(), history.InstanceID(id), "Item", item, client.WithIdempotencyKey(key)); err != nil {
				w.Fatalf("Raise(%s, key %s) = %v", item, key, err)
			}
		}
		raise("a", "1")
		raise("a", "1") // perhaps in one turn
		w.settle()
		raise("a", "1") // in another execution
		raise("b", "2")
		w.settle()
		w.crash()
		raise("a", "1") // in another process
		raise("b", "2")
		raise("c", "")
		raise("c", "")
		raise("end", "3")
		if got, want := w.completed(id), `["a","b","c","c"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

// floodEvents is how many events of row 77 there are.
const floodEvents = 5000

// checkFlood checks that id took all events of its senders, those of one sender
// in order, in far fewer turns than there were events.
func (w *world) checkFlood(id string) {
	w.Helper()
	items, err := client.Result[[]string](w.ended(id, history.Completed))
	if err != nil || len(items) != floodEvents {
		w.Fatalf("%d events were taken, %v; want %d", len(items), err, floodEvents)
	}
	next := make(map[string]int)
	for _, item := range items {
		var sender string
		var n int
		if _, err := fmt.Sscan(item, &sender, &n); err != nil {
			w.Fatalf("item %q: %v", item, err)
		}
		if n != next[sender] {
			w.Errorf("sender %s: event %d came where %d was expected", sender, n, next[sender])
		}
		next[sender] = n + 1
	}
	if turns := w.count(id, history.OrchestratorStarted); turns > floodEvents/10 {
		w.Errorf("%d events took %d turns, want far fewer", floodEvents, turns)
	}
}

func TestF77_FloodFromOneOrchestrationIsDeliveredOnceInOrderInFewTurns(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addCollector(w, app)
		perdure.AddOrchestrator(app, "Sender", func(ctx *perdure.OrchestrationContext, to perdure.InstanceID) (string, error) {
			for i := range floodEvents {
				if err := perdure.SendEvent(ctx, to, "Item", fmt.Sprintf("s %d", i)); err != nil {
					return "", err
				}
			}
			return "sent", perdure.SendEvent(ctx, to, "Go", nil)
		})
	}, func(w *world) {
		id := w.mustStart("Collector", floodEvents, client.StartOptions{})
		w.run("Sender", id)
		w.checkFlood(id)
	})
}

func TestF77_FloodFromManyClientsIsDeliveredOnceInOrderInFewTurns(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", floodEvents, client.StartOptions{})
		w.raise(id, "Go", nil)
		w.settle()
		const senders = 500
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range floodEvents / senders {
					if err := w.Raise(context.Background(), history.InstanceID(id), "Item", fmt.Sprintf("s%d %d", s, i)); err != nil {
						w.Errorf("Raise = %v", err)
					}
				}
			})
		}
		wg.Wait()
		w.checkFlood(id)
	})
}

func TestF78_EventOfAnotherOrchestrationArrivesLikeAClients(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addCollector(w, app)
		perdure.AddOrchestrator(app, "Sender", func(ctx *perdure.OrchestrationContext, to perdure.InstanceID) (string, error) {
			if err := perdure.SendEvent(ctx, "nobody", "Item", "lost"); err != nil {
				return "", err
			}
			return "sent", perdure.SendEvent(ctx, to, "item", "hello")
		})
	}, func(w *world) {
		id := w.mustStart("Collector", 2, client.StartOptions{})
		w.raise(id, "Go", nil)
		w.raise(id, "Item", "hello")
		w.settle()
		w.run("Sender", id)
		if got, want := w.completed(id), `["hello","hello"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		var raised []history.Event
		for _, ev := range w.history(id) {
			if ev.Kind == history.EventRaised && string(ev.Payload) == `"hello"` {
				ev.At, ev.Name = time.Time{}, "Item"
				raised = append(raised, ev)
			}
		}
		if len(raised) != 2 {
			w.Fatalf("the history has %d such events, want 2", len(raised))
		}
		if diff := cmp.Diff(raised[0], raised[1]); diff != "" {
			w.Errorf("the event of an orchestration (+) differs from a client's (-):\n%s", diff)
		}
		w.settle()
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}
	})
}

func TestF79_EventRaisedDuringTheTurnThatContinuesIsForTheNextExecution(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Relay", func(ctx *perdure.OrchestrationContext, discard bool) (string, error) {
			if w.mark("turns") > 1 {
				return perdure.WaitForExternalEvent[string](ctx, "Item").Await()
			}
			var opts []perdure.ContinueOption
			if discard {
				opts = append(opts, perdure.DiscardEvents())
			}
			if err := ctx.ContinueAsNew(discard, opts...); err != nil {
				return "", err
			}
			// A client's call while the turn runs.
			return "", w.Raise(context.Background(), ctx.InstanceID(), "Item", "meanwhile")
		})
	}, func(w *world) {
		for _, discard := range []bool{false, true} {
			w.marks.Delete("turns")
			if got, want := w.run("Relay", discard), `"meanwhile"`; got != want {
				w.Errorf("discard %t: output = %s, want %s", discard, got, want)
			}
		}
	})
}

// What comes in one turn behind the event that made the code end was never the
// code's to discard.
func TestF79_EventBehindTheOneThatContinuesIsForTheNextExecution(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Relay", func(ctx *perdure.OrchestrationContext, mode string) (string, error) {
			item, err := perdure.WaitForExternalEvent[string](ctx, "Item").Await()
			if err != nil || mode == "last" {
				return item, err
			}
			return "", ctx.ContinueAsNew("last", perdure.DiscardEvents())
		})
	}, func(w *world) {
		id := w.mustStart("Relay", "first", client.StartOptions{})
		w.settle()
		if err := w.Suspend(context.Background(), history.InstanceID(id), ""); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.raise(id, "Item", "one")
		w.raise(id, "Item", "two")
		if err := w.Resume(context.Background(), history.InstanceID(id), ""); err != nil {
			w.Fatalf("Resume = %v", err)
		}
		if got, want := w.completed(id), `"two"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}
