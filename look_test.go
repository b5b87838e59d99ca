package perdure_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

// wait waits for numbers under the name Item.
func wait(ctx *perdure.OrchestrationContext, opts ...perdure.EventOption) *perdure.Task[int] {
	return perdure.WaitForExternalEvent[int](ctx, "Item", opts...)
}

// outcomeOf returns what a task leads to, as text.
func outcomeOf[T any](t *perdure.Task[T]) string {
	v, err := t.Await()
	return fmt.Sprint(v, " ", err)
}

// The timer of a limit is set at the call, whatever is queued, and cancelled when the
// wait takes.
func TestLimitIsSetThoughTheEventIsThere(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			perdure.CallActivity(ctx, Work, n).Await()
			limited := wait(ctx, perdure.WithTimeout(time.Hour))
			perdure.CallActivity(ctx, Work, n).Await()
			return outcomeOf(limited), nil
		}))
		h.start("1")
		h.turn(raised("item", "7"))
		actions := h.turn(done(0, "1"))
		if len(actions) != 2 || actions[0].Kind != history.CreateTimer {
			t.Fatalf("actions = %+v; want the timer, then the call", actions)
		}
		actions = h.turn(done(2, "1"))
		if actions[0].Kind != history.CancelTimer || actions[0].ID != 1 || h.result(actions) != `"7 <nil>"` {
			t.Errorf("actions = %+v; want the timer cancelled and the event taken", actions)
		}
	})
}

// What counts is which came first, not when the code looks.
func TestLimitIsMeasuredByWhenTheEventCame(t *testing.T) {
	for name, test := range map[string]struct {
		events []history.Event
		want   string
	}{
		"the event": {[]history.Event{raised("Item", "7"), fired(0)}, "7 <nil>"},
		"the timer": {[]history.Event{fired(0), raised("Item", "7")}, "5 <nil>"},
	} {
		bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
			var got, left string
			h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
				limited := wait(ctx, perdure.WithTimeout(time.Hour), perdure.WithDefault(5))
				perdure.CallActivity(ctx, Work, n).Await()
				got = outcomeOf(limited)
				left = fmt.Sprint(wait(ctx).Done())
				return 0, nil
			}))
			h.start("1")
			h.turn(test.events...)
			h.result(h.turn(done(1, "1")))
			if got != test.want || left != fmt.Sprint(name == "the timer") {
				t.Errorf("%s came first: the wait led to %s and the event is there afterwards: %s; want %s", name, got, left, test.want)
			}
		})
	}
}

// Done takes the event, also when its payload is no T, and nobody else gets it.
func TestTakenIsTaken(t *testing.T) {
	var got []string
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		got = nil
		first, unread := wait(ctx), wait(ctx)
		perdure.CallActivity(ctx, Work, n).Await()
		got = append(got, fmt.Sprint(unread.Done(), unread.Done(), first.Done()), outcomeOf(wait(ctx)))
		return 0, nil
	}), false)
	h.start("1")
	h.turn(raised("Item", `"text"`), raised("Item", "2"), raised("Item", "3"))
	h.result(h.turn(done(0, "1")))
	if want := []string{"true true true", "3 <nil>"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("looks = %q; want %q", got, want)
	}
}

// WhenAll takes all at once or nothing.
func TestWhenAllTakesNothingBeforeItCanEnd(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		var got []string
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			got = nil
			both := perdure.WhenAll(ctx, wait(ctx), wait(ctx), perdure.CallActivity(ctx, Work, n))
			first, _ := perdure.WhenAny(ctx, both, ctx.CreateTimer(time.Hour)).Await()
			got = append(got, fmt.Sprint(both.Done(), first), outcomeOf(wait(ctx)), outcomeOf(both))
			return 0, nil
		}))
		h.start("1")
		h.turn(raised("Item", "1"), done(0, "0"))
		h.turn(fired(1), raised("Item", "2"))
		h.result(h.turn(raised("Item", "3")))
		if want := []string{"false 1", "1 <nil>", "[2 3 0] <nil>"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("looks = %q; want %q", got, want)
		}
	})
}

// Deferred functions of an instance that is unloaded take nothing.
func TestWhileCodeUnwindsNothingIsTaken(t *testing.T) {
	unwound := make(chan bool, 4)
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (string, error) {
		item := wait(ctx)
		defer func() { unwound <- item.Done() || perdure.WhenAny(ctx, item).Done() }()
		perdure.CallActivity(ctx, Work, n).Await()
		return outcomeOf(item), nil
	}), false)
	h.start("1")
	h.turn(raised("Item", "7"))
	h.worker.Forget(h.instance.Number)
	if <-unwound {
		t.Error("a look while the code unwinds found the event; want that it finds nothing")
	}
	if got := h.result(h.turn(done(0, "1"))); got != `"7 <nil>"` {
		t.Errorf("the rebuilt code took %s; want 7", got)
	}
}
