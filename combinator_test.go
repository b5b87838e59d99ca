package perdure_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

func fanOut(ctx *perdure.OrchestrationContext, n int) []*perdure.Task[int] {
	var tasks []*perdure.Task[int]
	for i := range n {
		tasks = append(tasks, perdure.CallActivity(ctx, Work, i))
	}
	return tasks
}

func TestWhenAllKeepsCallOrder(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
			return perdure.WhenAll(ctx, fanOut(ctx, n)...).Await()
		}))
		h.start("3")
		h.turn(done(2, "12"))
		h.turn(done(0, "10"))
		if got := h.result(h.turn(done(1, "11"))); got != "[10,11,12]" {
			t.Errorf("WhenAll = %s; want [10,11,12]", got)
		}
	})
}

func TestWhenAllFailsWithTheFirstFailure(t *testing.T) {
	for name, late := range map[string]bool{"before they end": false, "after they ended": true} {
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
			tasks := fanOut(ctx, n)
			if late {
				tasks[0].Await()
			}
			return perdure.WhenAll(ctx, tasks...).Await()
		}), false)
		h.start("3")
		failure := func(id int32) history.Event {
			return taskFailed(id, history.Failure{Message: fmt.Sprint("failure of ", id)})
		}
		h.turn(failure(2))
		h.turn(failure(1))
		if got := h.end(h.turn(failure(0))).Failure; got == nil || got.Message != "failure of 2" {
			t.Errorf("WhenAll called %s = %v; want the failure of 2, which came first", name, got)
		}
	}
}

func TestWhenAnyFollowsHistory(t *testing.T) {
	for name, late := range map[string]bool{"before they end": false, "after they ended": true} {
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			tasks := fanOut(ctx, n)
			if late {
				tasks[0].Await()
			}
			return perdure.WhenAny(ctx, tasks[0], tasks[1], tasks[2]).Await()
		}), false)
		h.start("3")
		if got := h.result(h.turn(done(2, "0"), boom(1), done(0, "0"))); got != "2" {
			t.Errorf("WhenAny called %s = %s; want 2", name, got)
		}
	}
}

func TestCombinatorsOfNothing(t *testing.T) {
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (string, error) {
		all, err := perdure.WhenAll[int](ctx).Await()
		_, nilTask := perdure.WhenAll[int](ctx, nil).Await()
		_, none := perdure.WhenAny(ctx).Await()
		_, nilAny := perdure.WhenAny(ctx, (*perdure.Task[int])(nil)).Await()
		return fmt.Sprintf("%d %v; %v; %v; %v", len(all), err, nilTask, none, nilAny), nil
	}), false)
	got := h.result(h.start("0"))
	for _, want := range []string{"0 <nil>", "WhenAll: task 0 is nil", "no task", "WhenAny: task 0 is nil"} {
		if !strings.Contains(got, want) {
			t.Errorf("combinators of nothing = %s; want it to say %q", got, want)
		}
	}
}

func TestTimerCancel(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (bool, error) {
			timer := ctx.CreateTimer(time.Hour)
			winner, err := perdure.WhenAny(ctx, timer, perdure.CallActivity(ctx, Work, n)).Await()
			if err != nil || winner != 1 || timer.Done() {
				return false, fmt.Errorf("winner %d, %v", winner, err)
			}
			timer.Cancel()
			_, err = timer.Await()
			return errors.Is(err, perdure.ErrCanceled) && timer.Done(), nil
		}))
		h.start("1")
		actions := h.turn(done(1, "1"))
		if actions[0].Kind != history.CancelTimer || actions[0].ID != 0 || h.result(actions) != "true" {
			t.Errorf("actions = %+v; want CancelTimer #0, then true", actions)
		}
	})
}

func TestExternalEvents(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			approve := func(opts ...perdure.EventOption) string {
				v, err := perdure.WaitForExternalEvent[int](ctx, "Approve", opts...).Await()
				return fmt.Sprint(v, ",", err, ";")
			}
			text := approve()                                                          // converts
			text += approve()                                                          // does not
			text += approve()                                                          // no payload
			text += approve(perdure.WithTimeout(time.Minute))                          // in time
			text += approve(perdure.WithTimeout(time.Minute))                          // too late
			text += approve(perdure.WithTimeout(time.Minute), perdure.WithDefault(42)) // too late, with default
			text += approve(perdure.WithTimeout(time.Minute))                          // gets the event, not those that timed out
			text += approve(perdure.WithDefault(1))
			text += approve(perdure.WithTimeout(1), perdure.WithDefault("x"))
			return text, nil
		}))
		h.start("1")
		h.turn(raised("approve", "7"), raised("APPROVE", `"text"`))
		timer := h.only(h.turn(raised("Approve", "")), history.CreateTimer)
		actions := h.turn(raised("Approve", "8"))
		if len(actions) != 2 || actions[0].Kind != history.CancelTimer || actions[0].ID != timer.ID {
			t.Fatalf("actions = %+v; want the timer cancelled and a new one", actions)
		}
		h.turn(fired(1))
		h.turn(fired(2))
		got := h.result(h.turn(raised("approve", "9")))
		for _, want := range []string{
			"7,<nil>;0,event Approve does not convert", "0,<nil>;8,<nil>;0,event Approve not received in 1m0s;42,<nil>;9,<nil>;",
			"WithDefault needs WithTimeout", "the default is a string, not a int",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("waits led to %s; want it to say %q", got, want)
			}
		}
	})
}

func TestEventTimeoutIsTyped(t *testing.T) {
	var timeout *perdure.TimeoutError
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (bool, error) {
		_, err := perdure.WaitForExternalEvent[int](ctx, "Go", perdure.WithTimeout(time.Second)).Await()
		timeout, _ = errors.AsType[*perdure.TimeoutError](err)
		return true, nil
	}), false)
	h.start("1")
	h.turn(fired(0))
	if timeout == nil || timeout.Event != "Go" || timeout.After != time.Second {
		t.Errorf("Await() = %+v; want a TimeoutError of Go after 1s", timeout)
	}
}

func TestFailureNamesTheTasksBehindIt(t *testing.T) {
	type fail func(ctx *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error
	await := func(task *perdure.Task[int]) error {
		_, err := task.Await()
		return err
	}
	for name, test := range map[string]struct {
		fail fail
		want []int32
	}{
		"returned": {func(_ *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error { return await(tasks[1]) }, []int32{1}},
		"wrapped": {func(_ *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error {
			return fmt.Errorf("outer: %w", perdure.NonRetriable(fmt.Errorf("inner: %w", await(tasks[1]))))
		}, []int32{1}},
		"joined": {func(_ *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error {
			return errors.Join(await(tasks[2]), errors.New("other"), fmt.Errorf("%w and %w", await(tasks[0]), await(tasks[2])))
		}, []int32{0, 2}},
		"all": {func(ctx *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error {
			_, err := perdure.WhenAll(ctx, tasks[0], tasks[2]).Await()
			return err
		}, []int32{0, 2}},
		"all of all": {func(ctx *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error {
			_, err := perdure.WhenAll(ctx, perdure.WhenAll(ctx, tasks[0], tasks[1]), perdure.WhenAll(ctx, tasks[2])).Await()
			return err
		}, []int32{0, 1, 2}},
		"retold": {func(_ *perdure.OrchestrationContext, tasks []*perdure.Task[int]) error {
			return errors.New(await(tasks[0]).Error())
		}, nil},
	} {
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			return 0, test.fail(ctx, fanOut(ctx, n))
		}), false)
		h.start("3")
		end := h.end(h.turn(boom(2), boom(1), boom(0)))
		if ev, _ := end.Event(time.Now()); !slices.Equal(end.Tasks, test.want) || !slices.Equal(ev.Tasks, test.want) {
			t.Errorf("failure that is %s names tasks %v, in its event %v; want %v", name, end.Tasks, ev.Tasks, test.want)
		}
	}
}

func TestFailureAfterRetriesNamesTheLastAttempt(t *testing.T) {
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 2}
		return perdure.CallActivity(ctx, Work, n, perdure.WithRetry(policy)).Await()
	}), false)
	h.start("3")
	h.turn(boom(0))
	h.turn(fired(1))
	if end := h.end(h.turn(boom(2))); !slices.Equal(end.Tasks, []int32{2}) {
		t.Errorf("failure after two attempts names tasks %v, want the second's, 2", end.Tasks)
	}
}
