package perdure_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

// retried runs Work under policy until the hub has answered every attempt as
// answer says, and returns the delays between attempts.
func retried(t *testing.T, evict bool, policy perdure.RetryPolicy, answer func(attempt int, id int32) history.Event) (delays []time.Duration, attempts int, end history.Action) {
	t.Helper()
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		return perdure.CallActivity(ctx, Work, n, perdure.WithRetry(policy)).Await()
	}), evict)
	actions := h.start("1")
	for {
		if len(actions) != 1 {
			t.Fatalf("actions = %+v; want one", actions)
		}
		switch a := actions[0]; a.Kind {
		case history.ScheduleTask:
			attempts++
			if int(a.Attempt) != attempts {
				t.Errorf("attempt %d is numbered %d", attempts, a.Attempt)
			}
			h.now = h.now.Add(100 * time.Millisecond)
			actions = h.turn(answer(attempts, a.ID))
		case history.CreateTimer:
			delays = append(delays, a.FireAt.Sub(h.now))
			h.now = a.FireAt
			actions = h.turn(fired(a.ID))
		default:
			return delays, attempts, a
		}
	}
}

func TestRetry(t *testing.T) {
	const s = time.Second
	failing := func(_ int, id int32) history.Event { return boom(id) }
	failingUntil := func(n int) func(int, int32) history.Event {
		return func(attempt int, id int32) history.Event {
			if attempt < n {
				return boom(id)
			}
			return done(id, "5")
		}
	}
	hopeless := func(_ int, id int32) history.Event {
		return taskFailed(id, history.Failure{Message: "boom", NonRetriable: true})
	}
	for name, test := range map[string]struct {
		policy perdure.RetryPolicy
		answer func(int, int32) history.Event
		delays []time.Duration
		ok     bool
	}{
		"all attempts fail":   {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3}, failing, []time.Duration{s, s}, false},
		"second succeeds":     {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3}, failingUntil(2), []time.Duration{s}, true},
		"backs off":           {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 5, BackoffCoefficient: 2, MaxInterval: 3 * s}, failing, []time.Duration{s, 2 * s, 3 * s, 3 * s}, false},
		"never overflows":     {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3, BackoffCoefficient: 1e300, MaxInterval: 2 * s}, failing, []time.Duration{s, 2 * s}, false},
		"timeout":             {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 100, Timeout: 2 * s}, failing, []time.Duration{s, s}, false},
		"handle says no":      {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3, Handle: func(error) bool { return false }}, failing, nil, false},
		"handle panics":       {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3, Handle: func(error) bool { panic("mask") }}, failing, nil, false},
		"handle reads error":  {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 2, Handle: func(err error) bool { return strings.Contains(err.Error(), "boom") }}, failing, []time.Duration{s}, false},
		"failure is hopeless": {perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 3}, hopeless, nil, false},
	} {
		for _, evict := range []bool{false, true} {
			delays, attempts, end := retried(t, evict, test.policy, test.answer)
			if diff := cmp.Diff(test.delays, delays); diff != "" || attempts != len(test.delays)+1 {
				t.Errorf("%s, evict=%v: %d attempts; delays differ (-want +got):\n%s", name, evict, attempts, diff)
			}
			switch {
			case test.ok && string(end.Payload) != "5":
				t.Errorf("%s: ended %s %s, %v; want result 5", name, end.Status, end.Payload, end.Failure)
			case !test.ok && (end.Failure == nil || end.Failure.Message != "boom"):
				t.Errorf("%s: ended %s, %v; want the original error, boom", name, end.Status, end.Failure)
			}
		}
	}
}

func TestRetryPolicyIsChecked(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		policy perdure.RetryPolicy
		field  string
	}{
		{perdure.RetryPolicy{MaxAttempts: 1}, "FirstInterval"},
		{perdure.RetryPolicy{FirstInterval: s}, "MaxAttempts"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: -1}, "MaxAttempts"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 1, BackoffCoefficient: 0.5}, "BackoffCoefficient"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 1, BackoffCoefficient: math.NaN()}, "BackoffCoefficient"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 1, BackoffCoefficient: math.Inf(1)}, "BackoffCoefficient"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 1, MaxInterval: 1}, "MaxInterval"},
		{perdure.RetryPolicy{FirstInterval: s, MaxAttempts: 1, Timeout: 1}, "Timeout"},
	} {
		_, attempts, end := retried(t, false, test.policy, nil)
		if attempts != 0 || end.Failure == nil || !strings.Contains(end.Failure.Message, "RetryPolicy."+test.field+" ") {
			t.Errorf("%+v: %d attempts, %v; want none and an error that names %s", test.policy, attempts, end.Failure, test.field)
		}
	}
}

func TestRetriesRunInParallel(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		policy := perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 2})
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
			return perdure.WhenAll(ctx, perdure.CallActivity(ctx, Work, 1, policy), perdure.CallActivity(ctx, Work, 2, policy)).Await()
		}))
		h.start("1")
		first := h.only(h.turn(boom(1)), history.CreateTimer)
		second := h.only(h.turn(boom(0)), history.CreateTimer)
		again := h.turn(fired(second.ID), fired(first.ID))
		if len(again) != 2 || string(again[0].Payload) != "1" || string(again[1].Payload) != "2" || again[0].Attempt != 2 {
			t.Fatalf("after both delays: %+v; want second attempts of 1 and 2", again)
		}
		if got := h.result(h.turn(done(again[1].ID, "20"), done(again[0].ID, "10"))); got != "[10,20]" {
			t.Errorf("result = %s; want [10,20]", got)
		}
	})
}

func TestRetriedChildren(t *testing.T) {
	for _, explicit := range []bool{false, true} {
		opts := []perdure.ChildOption{perdure.WithRetry(perdure.RetryPolicy{FirstInterval: time.Second, MaxAttempts: 2})}
		want := "abc:5c88e7a226e11ad1:0000 abc:5c88e7a226e11ad1:0002"
		if explicit {
			opts = append(opts, perdure.WithInstanceID("kid"))
			want = "kid kid"
		}
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			return perdure.OrchestratorRef[int, int]("Child").Call(ctx, n, opts...).Await()
		}), false)
		first := h.only(h.start("1"), history.StartSubOrchestration)
		h.turn(history.Event{Kind: history.SubOrchestrationInstanceFailed, TaskID: 0, Failure: &history.Failure{Message: "boom"}})
		second := h.only(h.turn(fired(1)), history.StartSubOrchestration)
		if got := fmt.Sprint(first.Instance, " ", second.Instance); got != want {
			t.Errorf("explicit id %v: attempts have ids %s; want %s", explicit, got, want)
		}
	}
}
