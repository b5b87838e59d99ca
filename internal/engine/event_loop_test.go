package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// Loops over events: an event is taken when the code looks, whatever it raced
// against, and stays for the next look in this execution and those that continue
// it.

// takings is what a loop carries on.
type takings struct {
	Items []string
	Round int
}

// addLoops adds loops that take the events Item until one says "end", each round racing
// them against something else and then handling what came for a second. Rival says
// against what, Anew whether each round is an execution of its own.
func addLoops(_ *world, app *perdure.App) {
	perdure.AddActivity(app, "Slow", func(ctx context.Context, d time.Duration) (string, error) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return "", ctx.Err()
	})
	slow := perdure.ActivityRef[time.Duration, string]("Slow")
	perdure.AddOrchestrator(app, "Nap", func(ctx *perdure.OrchestrationContext, d time.Duration) (string, error) {
		_, err := ctx.CreateTimer(d).Await()
		return "", err
	})
	nap := perdure.OrchestratorRef[time.Duration, string]("Nap")
	const wait = 300 * time.Millisecond
	rivals := map[string]func(ctx *perdure.OrchestrationContext) perdure.Awaitable{
		"Timer":    func(ctx *perdure.OrchestrationContext) perdure.Awaitable { return ctx.CreateTimer(wait) },
		"Activity": func(ctx *perdure.OrchestrationContext) perdure.Awaitable { return slow.Call(ctx, wait) },
		"Child":    func(ctx *perdure.OrchestrationContext) perdure.Awaitable { return nap.Call(ctx, wait) },
		"Event": func(ctx *perdure.OrchestrationContext) perdure.Awaitable {
			return perdure.WaitForExternalEvent[string](ctx, "Other")
		},
		"All": func(ctx *perdure.OrchestrationContext) perdure.Awaitable { // takes nothing before it has both
			return perdure.WhenAll(ctx, perdure.WaitForExternalEvent[string](ctx, "Item"), slow.Call(ctx, wait),
				perdure.WaitForExternalEvent[string](ctx, "Never"))
		},
		"Limit": func(ctx *perdure.OrchestrationContext) perdure.Awaitable {
			return perdure.WaitForExternalEvent[string](ctx, "Never", perdure.WithTimeout(wait))
		},
	}
	for name, rival := range rivals {
		for _, anew := range []bool{false, true} {
			perdure.AddOrchestrator(app, perdure.OrchestratorRef[takings, []string](fmt.Sprintf("%s%t", name, anew)), func(ctx *perdure.OrchestrationContext, s takings) ([]string, error) {
				for {
					s.Round++
					item := perdure.WaitForExternalEvent[string](ctx, "Item")
					other := rival(ctx)
					first, err := perdure.WhenAny(ctx, item, other).Await()
					if err != nil {
						return nil, err
					}
					if first == 0 {
						got, err := item.Await()
						if s.Items = append(s.Items, got); err != nil || got == "end" {
							return s.Items, err
						}
					}
					if timer, ok := other.(*perdure.Timer); ok {
						timer.Cancel()
					}
					if _, err := slow.Call(ctx, time.Second).Await(); err != nil { // handles it
						return nil, err
					}
					if anew {
						return nil, ctx.ContinueAsNew(s)
					}
				}
			})
		}
	}
}

var loops = []string{"Timer", "Activity", "Child", "Event", "All", "Limit"}

func TestLoopsOverEventsLoseNone(t *testing.T) {
	contract(t, addLoops, func(w *world) {
		const many = 12
		var ids []string
		for _, loop := range loops {
			for _, anew := range []bool{false, true} {
				ids = append(ids, w.mustStart(fmt.Sprintf("%s%t", loop, anew), takings{}, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("%s-%t", loop, anew))}))
			}
		}
		want := "["
		for i := range many {
			want += fmt.Sprintf("%q,", fmt.Sprint(i))
			for _, id := range ids {
				w.raise(id, "Item", fmt.Sprint(i))
				if i%3 == 0 {
					w.raise(id, "Other", "x")
				}
			}
			// While it waits, while it handles, in bursts, over a crash, suspended.
			time.Sleep([]time.Duration{100, 700, 0, 350, 0, 1300}[i%6] * time.Millisecond)
			switch i {
			case 4:
				w.crash()
			case 6:
				for _, id := range ids {
					if err := w.Suspend(context.Background(), history.InstanceID(id), ""); err != nil {
						w.Fatalf("Suspend(%s) = %v", id, err)
					}
				}
			case 9:
				for _, id := range ids {
					if err := w.Resume(context.Background(), history.InstanceID(id), ""); err != nil {
						w.Fatalf("Resume(%s) = %v", id, err)
					}
				}
			}
		}
		for _, id := range ids {
			w.raise(id, "item", "end")
		}
		for _, id := range ids {
			if got := w.completed(id); got != want+`"end"]` {
				w.Errorf("%s took %s, want %s\"end\"]", id, got, want)
			}
		}
	})
}

// Two waits that are made anew in each round, while a round takes longer than the
// events need to come.
func TestSelectorLoopTakesEveryEventOfEveryName(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Account", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
			deposits, withdrawals := 0, 0
			for {
				first, err := perdure.WhenAny(ctx,
					perdure.WaitForExternalEvent[int](ctx, "deposit"),
					perdure.WaitForExternalEvent[int](ctx, "withdraw"),
					perdure.WaitForExternalEvent[any](ctx, "close")).Await()
				if err != nil {
					return "", err
				}
				switch first {
				case 0:
					deposits++
				case 1:
					withdrawals++
				default:
					return fmt.Sprintf("%d deposits, %d withdrawals", deposits, withdrawals), nil
				}
				if _, err := doStep.Call(ctx, step{Name: "book", Takes: 50 * time.Millisecond}).Await(); err != nil {
					return "", err
				}
			}
		})
	}, func(w *world) {
		id := w.mustStart("Account", "", client.StartOptions{})
		for range 10 {
			w.raise(id, "deposit", 1)
			w.raise(id, "Withdraw", 1)
			time.Sleep(10 * time.Millisecond)
		}
		w.raise(id, "close", nil)
		if got, want := w.completed(id), `"10 deposits, 10 withdrawals"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

// What nobody has looked for is there after a rewind, an export and an import, and
// what was taken before the turn that is undone is not taken again.
func TestTakesAreTheSameAfterRewindExportAndImport(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addStep(w, app)
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ string) ([]string, error) {
			var items []string
			take := func() error {
				item := perdure.WaitForExternalEvent[string](ctx, "Item", perdure.WithTimeout(time.Hour))
				first, err := perdure.WhenAny(ctx, perdure.WaitForExternalEvent[string](ctx, "Never"), item).Await()
				got, failed := item.Await()
				items = append(items, fmt.Sprint(got, first))
				return errors.Join(err, failed)
			}
			if err := take(); err != nil {
				return nil, err
			}
			result := doStep.Call(ctx, step{Name: "A", Until: "mended", Takes: time.Second})
			if err := take(); err != nil {
				return nil, err
			}
			if _, err := result.Await(); err != nil {
				return nil, err
			}
			return items, errors.Join(take(), take())
		})
	}, func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{ID: "main"})
		for _, item := range []string{"one", "two", "three"} {
			w.raise(id, "Item", item)
		}
		w.ended(id, history.Failed)
		w.mustImport(w.export(id), "copy")
		w.mark("mended")
		for _, id := range []string{id, "copy"} {
			w.rewound(id)
			w.settle()
			time.Sleep(2 * time.Second)
			w.settle()
			x := w.explained(id, "raise-event", id, `"Item" until`)
			if len(x.Kept) != 0 {
				w.Errorf("%s keeps %+v, want nothing", id, x.Kept)
			}
			w.raise(id, "Item", "four")
			if got, want := w.completed(id), `["one1","two1","three1","four1"]`; got != want {
				w.Errorf("%s took %s, want %s", id, got, want)
			}
		}
	})
}

// The next execution has what was handed on before its code begins: the first look
// finds it, one that does not wait too.
func TestHandedOnEventsAreThereWhenTheCodeBegins(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Drain", func(ctx *perdure.OrchestrationContext, s takings) ([]string, error) {
			if s.Round == 0 {
				if _, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await(); err != nil {
					return nil, err
				}
				return nil, ctx.ContinueAsNew(takings{Round: 1})
			}
			for item := perdure.WaitForExternalEvent[string](ctx, "Item"); item.Done(); item = perdure.WaitForExternalEvent[string](ctx, "Item") {
				got, err := item.Await()
				if s.Items = append(s.Items, got); err != nil {
					return nil, err
				}
				if s.Round++; s.Round%2 == 0 {
					return nil, ctx.ContinueAsNew(s)
				}
			}
			return s.Items, nil
		})
	}, func(w *world) {
		id := w.mustStart("Drain", takings{}, client.StartOptions{})
		for i := range 5 {
			w.raise(id, "Item", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		w.raise(id, "Go", nil)
		if got, want := w.completed(id), `["0","1","2","3","4"]`; got != want {
			w.Errorf("took %s, want %s", got, want)
		}
	})
}

// An event that was acknowledged is in an export at once, though no turn has taken it
// in: of an instance that is suspended, that waits for its start, or whose code
// cannot run.
func TestExportHasWhatWasAcknowledged(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		ctx := context.Background()
		suspended := w.mustStart("Collector", 3, client.StartOptions{ID: "suspended"})
		later := w.mustStart("Collector", 3, client.StartOptions{ID: "later", StartAt: time.Now().Add(time.Hour)})
		w.settle()
		if err := w.Suspend(ctx, history.InstanceID(suspended), ""); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.settle()
		for _, id := range []string{suspended, later} {
			w.raise(id, "Item", "one")
			w.raise(id, "Go", nil)
			w.settle()
			w.raise(id, "Item", "two")
			if err := w.Raise(ctx, history.InstanceID(id), "Item", "three", client.WithIdempotencyKey("3")); err != nil {
				w.Fatalf("Raise = %v", err)
			}
			moved := "moved-" + id
			w.mustImport(w.export(id), moved)
			if err := w.Raise(ctx, history.InstanceID(moved), "Item", "three", client.WithIdempotencyKey("3")); err != nil {
				w.Fatalf("Raise again = %v", err)
			}
			if id == suspended {
				w.settle()
				if err := w.Resume(ctx, history.InstanceID(moved), ""); err != nil {
					w.Fatalf("Resume = %v", err)
				}
			}
			if got, want := w.completed(moved), `["one","two","three"]`; got != want {
				w.Errorf("%s took %s, want %s", moved, got, want)
			}
		}
	})
}
