package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// flaky is an activity that notes when it runs and fails the first fail times
// that it does.
type flaky struct {
	w    *world
	fail int64
	took time.Duration
	err  error
}

func (f flaky) run(_ context.Context, _ int) (int64, error) {
	n := f.w.mark("runs")
	time.Sleep(f.took)
	if n <= f.fail {
		return 0, f.err
	}
	return n, nil
}

// always is more often than anything is retried.
const always = 1 << 30

// retried registers the orchestrator Retried, which calls Flaky under policy and
// returns what comes of it, with the times between the starts of its attempts.
func retried(f flaky, policy perdure.RetryPolicy) func(*world, *perdure.App) {
	return func(w *world, app *perdure.App) {
		own := f
		own.w = w
		if own.err == nil {
			own.err = &declinedError{"4711"}
		}
		perdure.AddActivity(app, "Flaky", own.run)
		perdure.AddOrchestrator(app, "Retried", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
			return perdure.ActivityRef[int, int64]("Flaky").Call(ctx, 0, perdure.WithRetry(policy)).Await()
		})
	}
}

// attempts checks how often Flaky ran, and that history tells of as many
// attempts, numbered from 1, with a timer between each two.
func (w *world) attempts(id string, want int) {
	w.Helper()
	if n := w.marked("runs"); n != int64(want) {
		w.Errorf("activity ran %d times, want %d", n, want)
	}
	scheduled := 0
	for _, ev := range w.history(id) {
		if ev.Kind == history.TaskScheduled {
			scheduled++
			if ev.Attempt != int32(scheduled) {
				w.Errorf("TaskScheduled %d in history says attempt %d, want %d", scheduled, ev.Attempt, scheduled)
			}
		}
	}
	if scheduled != want {
		w.Errorf("history has %d TaskScheduled, want %d", scheduled, want)
	}
	if timers := w.count(id, history.TimerCreated); timers != want-1 {
		w.Errorf("history has %d timers, want %d: one between each two attempts", timers, want-1)
	}
}

// declined checks that the instance failed with the activity's own error.
func (w *world) declined(id string) {
	w.Helper()
	s := w.ended(id, history.Failed)
	if s.Failure == nil || s.Failure.Type != "*engine_test.declinedError" || s.Failure.Message != "card 4711 declined" {
		w.Errorf("failure = %+v, want the activity's own error", s.Failure)
	}
}

// gaps returns the times between the end of an attempt, as the orchestrator
// learnt of it, and the start of the next.
func (w *world) gaps(id string) []time.Duration {
	w.Helper()
	var gaps []time.Duration
	var failed time.Time
	for _, ev := range w.history(id) {
		switch {
		case ev.Kind == history.TaskFailed:
			failed = ev.At
		case ev.Kind == history.TaskScheduled && !failed.IsZero():
			gaps = append(gaps, ev.At.Sub(failed))
		}
	}
	return gaps
}

// spaced checks the gaps between attempts: never shorter, hardly longer.
func (w *world) spaced(id string, want ...time.Duration) {
	w.Helper()
	got := w.gaps(id)
	if len(got) != len(want) {
		w.Fatalf("attempts came after %v, want %v", got, want)
	}
	for i := range want {
		if got[i] < want[i] || got[i] > want[i]+10*time.Millisecond {
			w.Errorf("attempts came after %v, want %v", got, want)
			return
		}
	}
}

func TestC32_AttemptsEndWithTheOriginalError(t *testing.T) {
	contract(t, retried(flaky{fail: always}, perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3}), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 3)
	})
}

func TestC33_SuccessEndsTheAttempts(t *testing.T) {
	contract(t, retried(flaky{fail: 1}, perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3}), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		if got := w.completed(id); got != "2" {
			w.Errorf("output = %s, want 2: the result of the second attempt", got)
		}
		w.attempts(id, 2)
	})
}

func TestC34_DelaysGrowUpToTheLongest(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 5, BackoffCoefficient: 2, MaxInterval: 3 * time.Second}
	contract(t, retried(flaky{fail: always}, policy), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 5)
		w.spaced(id, time.Second, 2*time.Second, 3*time.Second, 3*time.Second)
	})
}

func TestC35_DelaysAreConstantByDefault(t *testing.T) {
	contract(t, retried(flaky{fail: always}, perdure.RetryPolicy{FirstInterval: 5 * time.Second, MaxAttempts: 4}), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 4)
		w.spaced(id, 5*time.Second, 5*time.Second, 5*time.Second)
	})
}

func TestC36_TimeoutEndsTheAttemptsBetweenThem(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 100, Timeout: 2 * time.Second}
	for _, tt := range []struct {
		took time.Duration // by each attempt
		want int
	}{
		{0, 3},                       // begun at 0 s, 1 s, 2 s
		{1500 * time.Millisecond, 2}, // begun at 0 s, 2.5 s; ended at 1.5 s, 4 s
		{time.Minute, 1},
	} {
		t.Run(tt.took.String(), func(t *testing.T) {
			contract(t, retried(flaky{fail: always, took: tt.took}, policy), func(w *world) {
				id := w.mustStart("Retried", 0, client.StartOptions{})
				w.declined(id) // with its own error, so that no attempt was cut short
				w.attempts(id, tt.want)
			})
		})
	}
}

func TestC37_HandleEndsTheAttempts(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3, Handle: func(err error) bool {
		failed, ok := errors.AsType[*perdure.TaskFailedError](err)
		return !ok || failed.Failure.Type != "*engine_test.declinedError" // false for what Flaky fails with
	}}
	contract(t, retried(flaky{fail: always}, policy), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 1)
	})
}

// The mark of an error around the failure of a task, or within what is around it,
// reaches the policy of the parent.
func TestC38_NonRetriableAroundTheFailureOfATaskIsNotRetried(t *testing.T) {
	for name, mark := range map[string]func(error) error{
		"outside": func(err error) error { return perdure.NonRetriable(fmt.Errorf("order %s: %w", "17", err)) },
		"inside":  func(err error) error { return fmt.Errorf("order %s: %w", "17", perdure.NonRetriable(err)) },
	} {
		t.Run(name, func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				perdure.AddActivity(app, "Flaky", flaky{w: w, fail: always, err: &declinedError{"4711"}}.run)
				perdure.AddOrchestrator(app, "Order", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
					_, err := perdure.ActivityRef[int, int64]("Flaky").Call(ctx, 0).Await()
					return 0, mark(err)
				})
				perdure.AddOrchestrator(app, "Shop", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
					policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 5}
					return perdure.OrchestratorRef[int, int64]("Order").Call(ctx, 0, perdure.WithRetry(policy)).Await()
				})
			}, func(w *world) {
				id := w.mustStart("Shop", 0, client.StartOptions{})
				s := w.ended(id, history.Failed)
				if w.marked("runs") != 1 || w.count(id, history.SubOrchestrationInstanceCreated) != 1 || w.count(id, history.TimerCreated) != 0 {
					w.Errorf("the activity ran %d times, the child %d times; want one attempt", w.marked("runs"), w.count(id, history.SubOrchestrationInstanceCreated))
				}
				if !strings.Contains(string(s.Output), "order 17: ") || !strings.Contains(string(s.Output), "card 4711 declined") {
					w.Errorf("output = %s, want the whole error", s.Output)
				}
			})
		})
	}
}

func TestC38_NonRetriableFailureIsNotRetried(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3}
	contract(t, retried(flaky{fail: always, err: perdure.NonRetriable(&declinedError{"4711"})}, policy), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 1) // and so no timer event
	})
}

func TestC39_PanickingHandleDoesNotMaskTheError(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3, Handle: func(error) bool { panic("handle is broken") }}
	contract(t, retried(flaky{fail: always}, policy), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		w.declined(id)
		w.attempts(id, 1)
	})
}

func TestC40_ImpossiblePolicyIsRejectedAtTheCall(t *testing.T) {
	for _, tt := range []struct {
		policy perdure.RetryPolicy
		field  string
	}{
		{perdure.RetryPolicy{FirstInterval: time.Second}, "MaxAttempts"},
		{perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: -1}, "MaxAttempts"},
		{perdure.RetryPolicy{MaxAttempts: 3}, "FirstInterval"},
		{perdure.RetryPolicy{FirstInterval: -time.Second, MaxAttempts: 3}, "FirstInterval"},
		{perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3, BackoffCoefficient: 0.5}, "BackoffCoefficient"},
		{perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3, MaxInterval: time.Millisecond}, "MaxInterval"},
		{perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3, Timeout: time.Millisecond}, "Timeout"},
	} {
		t.Run(fmt.Sprintf("%+v", tt.policy), func(t *testing.T) {
			contract(t, retried(flaky{}, tt.policy), func(w *world) {
				id := w.mustStart("Retried", 0, client.StartOptions{})
				s := w.ended(id, history.Failed)
				if s.Failure == nil || !strings.Contains(s.Failure.Message, "RetryPolicy."+tt.field) {
					w.Errorf("failure under %+v = %+v, want one that names RetryPolicy.%s", tt.policy, s.Failure, tt.field)
				}
				if n := w.marked("runs"); n != 0 {
					w.Errorf("activity ran %d times under %+v, want 0", n, tt.policy)
				}
			})
		})
	}
}

func TestC41_CrashBetweenAttemptsDoesNotResetTheirCount(t *testing.T) {
	contract(t, retried(flaky{fail: always}, perdure.RetryPolicy{FirstInterval: time.Hour, MaxAttempts: 3}), func(w *world) {
		id := w.mustStart("Retried", 0, client.StartOptions{})
		for range 2 {
			w.settle()
			w.crash()
			time.Sleep(30 * time.Minute)
			w.crash()
			time.Sleep(30 * time.Minute)
		}
		w.declined(id)
		w.attempts(id, 3)
		w.spaced(id, time.Hour, time.Hour)
	})
}

func TestC42_RetriedSubOrchestrationIsAFreshGenerationOfItsID(t *testing.T) {
	for _, fail := range []int64{2, always} {
		t.Run(fmt.Sprintf("fails=%d", fail), func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				perdure.AddActivity(app, "Visit", func(_ context.Context, execution string) (int64, error) {
					w.mark("execution " + execution)
					n := w.mark("runs")
					if n <= fail {
						return 0, fmt.Errorf("visit %d failed", n)
					}
					return n, nil
				})
				perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
					return perdure.ActivityRef[string, int64]("Visit").Call(ctx, string(ctx.ExecutionID())).Await()
				})
				perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
					return perdure.OrchestratorRef[int, int64]("Child").Call(ctx, 0, perdure.WithInstanceID("the-child"),
						perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 3})).Await()
				})
			}, func(w *world) {
				id := w.mustStart("Parent", 0, client.StartOptions{})
				if fail == always {
					if s := w.ended(id, history.Failed); s.Failure == nil || s.Failure.Message != "visit 3 failed" {
						w.Errorf("failure of the parent = %+v, want that of the last attempt", s.Failure)
					}
				} else if got := w.completed(id); got != "3" {
					w.Errorf("output of the parent = %s, want 3: the result of the last attempt", got)
				}
				child := w.status("the-child")
				if n := w.marked("execution " + string(child.ExecutionID)); n != 1 {
					w.Errorf("the child's last execution %s ran its activity %d times, want 1", child.ExecutionID, n)
				}
				if n := w.marked("runs"); n != 3 {
					w.Errorf("the child's executions ran their activity %d times, want 3", n)
				}
				if n := w.count("the-child", history.TaskScheduled); n != 1 {
					w.Errorf("the child's history has %d activities, want 1: each attempt starts afresh", n)
				}
				if n := w.count(id, history.SubOrchestrationInstanceCreated); n != 3 {
					w.Errorf("the parent's history has %d children, want 3", n)
				}
			})
		})
	}
}

func TestC43_RetriesLeaveTheSameHistoryWithAndWithoutEviction(t *testing.T) {
	policy := perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 5, BackoffCoefficient: 2}
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Flaky", func(_ context.Context, attempts []int) (int, error) {
			time.Sleep(time.Duration(attempts[0]) * 100 * time.Millisecond) // no two results in one turn
			if w.mark(fmt.Sprint(w.options.CacheBytes, attempts)) <= int64(attempts[0]) {
				return 0, &declinedError{"4711"}
			}
			return attempts[0], nil
		})
		perdure.AddOrchestrator(app, "Both", func(ctx *perdure.OrchestrationContext, _ int) ([]int, error) {
			call := func(fails int) *perdure.Task[int] {
				return perdure.ActivityRef[[]int, int]("Flaky").Call(ctx, []int{fails}, perdure.WithRetry(policy))
			}
			first, err := perdure.WhenAll(ctx, call(1), call(3)).Await()
			if err != nil {
				return nil, err
			}
			second, err := call(2).Await()
			return append(first, second), err
		})
	}, func(w *world) {
		var histories [2][]history.Event
		for i, cache := range []int{0, -1} {
			w.stop()
			w.options.CacheBytes = cache
			w.start()
			id := w.mustStart("Both", 0, client.StartOptions{})
			if got, want := w.completed(id), `[1,3,2]`; got != want {
				w.Errorf("output with CacheBytes %d = %s, want %s", cache, got, want)
			}
			histories[i] = timeless(w.history(id))
		}
		if diff := cmp.Diff(histories[0], histories[1]); diff != "" {
			w.Errorf("histories differ (-kept +evicted):\n%s", diff)
		}
	})
}

// timeless returns events without what differs between two runs of the same
// thing: times are milliseconds after the first, the execution has no id.
func timeless(events []history.Event) []history.Event {
	began := events[0].At
	since := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return time.UnixMilli(t.Sub(began).Milliseconds()).UTC()
	}
	out := make([]history.Event, len(events))
	for i, ev := range events {
		ev.At, ev.FireAt = since(ev.At), since(ev.FireAt)
		ev.Payload = json.RawMessage(orNull(ev.Payload))
		if ev.Started != nil {
			started := *ev.Started
			started.ExecutionID = ""
			ev.Started = &started
		}
		out[i] = ev
	}
	return out
}
