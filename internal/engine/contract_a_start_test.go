package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// echoInput returns its input, byte for byte.
func echoInput(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

// untilGo waits for the event Go and returns what came with it.
func untilGo(ctx *perdure.OrchestrationContext, _ json.RawMessage) (json.RawMessage, error) {
	return perdure.WaitForExternalEvent[json.RawMessage](ctx, "Go").Await()
}

// addBasics registers Echo and UntilGo.
func addBasics(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Echo", echoInput)
	perdure.AddOrchestrator(app, "UntilGo", untilGo)
}

func TestA1_StartWithoutIDReturnsFreshHexID(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		seen := make(map[string]bool)
		for range 3 {
			id := w.mustStart("Echo", 1, client.StartOptions{})
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
				w.Errorf("Start without id = %q, want 32 lowercase hex digits", id)
			}
			if seen[id] {
				w.Errorf("Start without id = %q twice, want different ids", id)
			}
			seen[id] = true
			w.completed(id)
		}
	})
}

func TestA2_StartedInstanceIsThereOnceStartReturned(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for i := range 20 {
			want := fmt.Sprintf("order %d", i)
			id := w.mustStart("UntilGo", i, client.StartOptions{ID: history.InstanceID(want)})
			if id != want {
				w.Errorf("Start(id %q) = %q, want the id given", want, id)
			}
			s, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{})
			if err != nil || s.RuntimeStatus != history.Pending && s.RuntimeStatus != history.Running {
				w.Errorf("Status(%q) after Start = %v, %v; want Pending or Running", id, s, err)
			}
		}
	})
}

func TestA3_IllFormedIDIsRejectedBeforeAnythingIsStored(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for _, id := range []string{"a/b", `a\b`, "a#b", "a?b", "a\x00b", "a\nb", "a\u0085b", "@counter@a", "\xff"} {
			_, err := w.Start(context.Background(), "Echo", 1, client.StartOptions{ID: history.InstanceID(id)})
			if !errors.Is(err, client.ErrInvalidArgument) {
				w.Errorf("Start(id %q) = %v, want %v", id, err, client.ErrInvalidArgument)
			}
			if _, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
				w.Errorf("Status(%q) after a refused start = %v, want %v", id, err, client.ErrNotFound)
			}
		}
		w.settle()
		if page, err := w.engine.List(context.Background(), hub.ListRequest{Query: history.Query{}}, hub.StatusOptions{}); err != nil || len(page.Items) != 0 {
			w.Errorf("List after refused starts = %v, %v; want no instance", page, err)
		}
	})
}

func TestA4_LongestIDWorksAndOneLongerIsRejected(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for _, unit := range []string{"a", "é", "\U0001F40E"} { // 1, 1 and 2 UTF-16 units
			n := history.MaxInstanceIDLength
			if unit == "\U0001F40E" {
				n /= 2
			}
			longest := strings.Repeat(unit, n)
			if got := w.completed(w.mustStart("Echo", 7, client.StartOptions{ID: history.InstanceID(longest)})); got != "7" {
				w.Errorf("output of an instance whose id is %d times %q = %s, want 7", n, unit, got)
			}
			_, err := w.Start(context.Background(), "Echo", 7, client.StartOptions{ID: history.InstanceID(longest + "a")})
			if !errors.Is(err, client.ErrInvalidArgument) {
				w.Errorf("Start(id of %d times %q and an a) = %v, want %v", n, unit, err, client.ErrInvalidArgument)
			}
		}
	})
}

func TestA5_SecondStartOfALiveIDIsRefused(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.mustStart("UntilGo", "first", client.StartOptions{ID: "Pending", StartAt: time.Now().Add(time.Hour)})
		w.mustStart("UntilGo", "first", client.StartOptions{ID: "Running"})
		w.mustStart("UntilGo", "first", client.StartOptions{ID: "Suspended"})
		if err := w.Suspend(context.Background(), "Suspended", "look"); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.settle()
		for _, id := range []string{"Pending", "Running", "Suspended"} {
			before := w.status(id)
			if before.RuntimeStatus.String() != id {
				w.Fatalf("status of %s = %s", id, before.RuntimeStatus)
			}
			_, err := w.Start(context.Background(), "Echo", "second", client.StartOptions{ID: history.InstanceID(id)})
			if !errors.Is(err, client.ErrAlreadyExists) {
				w.Errorf("second Start(%s) = %v, want %v", id, err, client.ErrAlreadyExists)
			}
			w.settle()
			if diff := cmp.Diff(before, w.status(id)); diff != "" {
				w.Errorf("status of %s after the second start differs (-before +after):\n%s", id, diff)
			}
		}
		if err := w.Client.Resume(context.Background(), "Suspended", ""); err != nil {
			w.Fatalf("Resume = %v", err)
		}
		time.Sleep(time.Hour)
		for _, id := range []string{"Pending", "Running", "Suspended"} {
			w.raise(id, "Go", id)
			if got := w.completed(id); got != `"`+id+`"` {
				w.Errorf("output of %s = %s, want what its own event carried", id, got)
			}
		}
	})
}

func TestA6_StartReplacesAnEndedInstance(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Greet", greet)
		perdure.AddOrchestrator(app, "Act", func(ctx *perdure.OrchestrationContext, how string) (string, error) {
			if how == "again" {
				return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
			}
			if err := ctx.SetCustomStatus("old"); err != nil {
				return "", err
			}
			if _, err := perdure.CallActivity(ctx, greet, "old").Await(); err != nil {
				return "", err
			}
			switch how {
			case "Completed":
				return "old", nil
			case "Failed":
				return "", errors.New("old")
			default:
				return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
			}
		})
	}, func(w *world) {
		for _, end := range []history.RuntimeStatus{history.Completed, history.Failed, history.Terminated} {
			id := end.String()
			w.mustStart("Act", id, client.StartOptions{ID: history.InstanceID(id)})
			w.settle()
			if end == history.Terminated {
				if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Reason: "old"}); err != nil {
					w.Fatalf("Terminate(%s) = %v", id, err)
				}
			}
			old := w.ended(id, end)
			w.mustStart("Act", "again", client.StartOptions{ID: history.InstanceID(id)})
			w.settle()
			s := w.status(id)
			if s.RuntimeStatus != history.Running || s.Output != nil || s.CustomStatus != nil || s.Failure != nil || !s.CompletedAt.IsZero() {
				w.Errorf("status of %s after its reuse = %+v; want Running, with nothing of the old instance", id, s)
			}
			if s.ExecutionID == old.ExecutionID || string(s.Input) != `"again"` {
				w.Errorf("execution and input of %s after its reuse = %s, %s; want another than %s, and \"again\"", id, s.ExecutionID, s.Input, old.ExecutionID)
			}
			if n := w.count(id, history.TaskScheduled) + w.count(id, history.ExecutionCompleted); n != 0 {
				w.Errorf("history of %s after its reuse has %d events of the old instance, want 0", id, n)
			}
			w.raise(id, "Go", "new")
			if got := w.completed(id); got != `"new"` {
				w.Errorf("output of %s = %s, want \"new\"", id, got)
			}
		}
		if page, err := w.engine.List(context.Background(), hub.ListRequest{Query: history.Query{}}, hub.StatusOptions{}); err != nil || len(page.Items) != 3 {
			w.Errorf("List = %d instances, %v; want 3: none of the replaced ones", len(page.Items), err)
		}
	})
}

func TestA7_OneOfManyConcurrentStartsWins(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Mark", func(_ context.Context, in int) (int, error) {
			w.mark("executions")
			return in, nil
		})
		perdure.AddOrchestrator(app, "Contested", func(ctx *perdure.OrchestrationContext, in int) (int, error) {
			out, err := perdure.ActivityRef[int, int]("Mark").Call(ctx, in).Await()
			if err != nil {
				return 0, err
			}
			_, err = perdure.WaitForExternalEvent[bool](ctx, "Go").Await() // or the id would be free again
			return out, err
		})
	}, func(w *world) {
		errs := make([]error, 50)
		var starts sync.WaitGroup
		for i := range errs {
			starts.Go(func() {
				_, errs[i] = w.Start(context.Background(), "Contested", i, client.StartOptions{ID: "one"})
			})
		}
		starts.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				w.Errorf("starts %d and %d both succeeded, want one", winner, i)
			case !errors.Is(err, client.ErrAlreadyExists):
				w.Errorf("start %d = %v, want nil or %v", i, err, client.ErrAlreadyExists)
			}
		}
		w.raise("one", "Go", true)
		if got := w.completed("one"); got != fmt.Sprint(winner) {
			w.Errorf("output = %s, want the winner's input %d", got, winner)
		}
		if n := w.marked("executions"); n != 1 {
			w.Errorf("%d executions ran, want 1", n)
		}
	})
}

func TestA8_ReplacedInstanceNeverReachesTheNewOne(t *testing.T) {
	slow := func(w *world) func(context.Context, string) (string, error) {
		return func(_ context.Context, in string) (string, error) {
			time.Sleep(time.Minute) // on purpose deaf to its context: the result comes, and must not be taken
			w.mark("slow " + in)
			return in, nil
		}
	}
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Slow", slow(w))
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			_, err := ctx.CreateTimer(time.Minute).Await()
			return in, err
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) ([]string, error) {
			activity := perdure.ActivityRef[string, string]("Slow").Call(ctx, in)
			child := perdure.OrchestratorRef[string, string]("Child").Call(ctx, in)
			timer := ctx.CreateTimer(2 * time.Minute)
			if _, err := timer.Await(); err != nil {
				return nil, err
			}
			return perdure.WhenAll(ctx, activity, child).Await()
		})
	}, func(w *world) {
		w.mustStart("Parent", "old", client.StartOptions{ID: "p"})
		w.settle()
		old := w.status("p")
		time.Sleep(30 * time.Second)
		began := time.Now()
		w.mustStart("Parent", "new", client.StartOptions{ID: "p", Reuse: client.ReplaceAny})
		w.settle()
		if s := w.status("p"); s.RuntimeStatus != history.Running || s.ExecutionID == old.ExecutionID {
			w.Errorf("after a start with ReplaceAny, p is %s, execution %s; want Running and another than %s", s.RuntimeStatus, s.ExecutionID, old.ExecutionID)
		}
		if got := w.completed("p"); got != `["new","new"]` {
			w.Errorf("output = %s, want the new execution's own results", got)
		}
		if took := time.Since(began); took < 2*time.Minute {
			w.Errorf("the new execution took %s, want at least the 2m of its own timer", took)
		}
		if n := w.marked("slow old"); n != 1 {
			w.Fatalf("the old activity ended %d times, want 1: else the test shows nothing", n)
		}
		for _, kind := range []history.Kind{history.TaskCompleted, history.SubOrchestrationInstanceCompleted, history.TimerFired} {
			if n := w.count("p", kind); n != 1 {
				w.Errorf("history has %d %s, want 1", n, kind)
			}
		}
	})
}

func TestA9_ScheduledStartStaysPendingUntilItsTime(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, func(_ *world, app *perdure.App) {
				perdure.AddOrchestrator(app, "Now", func(ctx *perdure.OrchestrationContext, _ int) (time.Time, error) { return ctx.Now(), nil })
			}, func(w *world) {
				due := time.Now().Add(3 * time.Second)
				id := w.mustStart("Now", 0, client.StartOptions{StartAt: due})
				time.Sleep(3*time.Second - time.Nanosecond)
				if crash {
					w.crash()
				}
				w.settle()
				if s := w.status(id); s.RuntimeStatus != history.Pending || !s.ScheduledAt.Equal(due) {
					w.Errorf("status just before its time = %s, scheduled at %s; want Pending, %s", s.RuntimeStatus, s.ScheduledAt, due)
				}
				var began time.Time
				if err := json.Unmarshal([]byte(w.completed(id)), &began); err != nil || began.Before(due) || began.After(due.Add(time.Second)) {
					w.Errorf("first turn at %s (%v), want at %s or soon after", began, err, due)
				}
			})
		})
	}
}

func TestA10_TerminatedBeforeItsScheduledStartNeverRuns(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Never", func(*perdure.OrchestrationContext, int) (int, error) {
			w.mark("ran")
			return 0, nil
		})
	}, func(w *world) {
		id := w.mustStart("Never", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Reason: "not needed"}); err != nil {
			w.Fatalf("Terminate = %v", err)
		}
		began := time.Now()
		if s := w.ended(id, history.Terminated); string(s.Output) != `"not needed"` {
			w.Errorf("output = %s, want the reason", s.Output)
		}
		if waited := time.Since(began); waited > time.Minute {
			w.Errorf("it ended after %s, want before its scheduled start", waited)
		}
		time.Sleep(2 * time.Hour)
		w.settle()
		if n := w.marked("ran"); n != 0 {
			w.Errorf("its code ran %d times, want 0", n)
		}
		if got := w.status(id).RuntimeStatus; got != history.Terminated {
			w.Errorf("status after its scheduled start = %s, want Terminated", got)
		}
	})
}

// undeclared is an executor that does not say which orchestrators it knows.
type undeclared struct{ engine.Executor }

func (undeclared) Orchestrators() []string { return nil }

func TestA11_StartOfAnUnknownOrchestratorWaitsUntilItIsRegistered(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.stop()
		w.around = func(worker engine.Executor) engine.Executor { return undeclared{worker} }
		w.start()
		id := w.mustStart("Later", "in", client.StartOptions{})
		time.Sleep(10 * time.Minute)
		w.settle()
		if s := w.status(id); s.RuntimeStatus.Terminal() {
			w.Fatalf("status while nobody knows the orchestrator = %s, want not ended", s.RuntimeStatus)
		}
		held := w.engine.Held()
		if len(held) != 1 || string(held[0].Instance) != id || held[0].Task != history.NoID || !strings.Contains(held[0].Reason, `"Later"`) || held[0].Attempts < 5 {
			w.Errorf("Held() = %+v, want instance %s, held again and again because of \"Later\"", held, id)
		}
		w.deploy(func(_ *world, app *perdure.App) { perdure.AddOrchestrator(app, "Later", echoInput) })
		if got := w.completed(id); got != `"in"` {
			w.Errorf("output once it is registered = %s, want \"in\"", got)
		}
		if held := w.engine.Held(); len(held) != 0 {
			w.Errorf("Held() once it is registered = %+v, want none", held)
		}
	})
}

func TestA11_StartOfAnOrchestratorThatTheWorkerDoesNotDeclareIsRefused(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		_, err := w.Start(context.Background(), "Later", nil, client.StartOptions{ID: "x"})
		if !errors.Is(err, client.ErrUnknownOrchestrator) || !errors.Is(err, client.ErrInvalidArgument) {
			w.Errorf("Start(Later) = %v, want %v", err, client.ErrUnknownOrchestrator)
		}
		if _, err := w.Status(context.Background(), "x", client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
			w.Errorf("Status after the refusal = %v, want %v", err, client.ErrNotFound)
		}
	})
}

func TestA12_PayloadsRoundTripByteByByte(t *testing.T) {
	payloads := []string{
		`null`, `""`, `0`, `false`, `[]`, `{}`,
		`9007199254740991`, `9007199254740993`, `-9007199254740993`, `1e400`, `0.1000000000000000055511151231257827`,
		`"Zürich 東京 \u0000 🐎 <a href=\"x\">&amp;</a> "`, `{"b":1,"a":2,"b":3}`, `{ "white" : [ 1,	2 ] }`,
		strings.Repeat(`{"deep":[`, 200) + `1` + strings.Repeat(`]}`, 200),
		`"` + strings.Repeat("0123456789abcdef", 8<<10) + `"`,
	}
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Same", func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil })
		perdure.AddOrchestrator(app, "Via", func(ctx *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
			return perdure.ActivityRef[json.RawMessage, json.RawMessage]("Same").Call(ctx, in).Await()
		})
	}, func(w *world) {
		for _, want := range payloads {
			s := w.ended(w.mustStart("Via", json.RawMessage(want), client.StartOptions{}), history.Completed)
			if got := orNull(s.Input); got != want {
				w.Errorf("input of an instance started with %.80s = %.80s", want, got)
			}
			if got := orNull(s.Output); got != want {
				w.Errorf("output of an instance that returns %.80s = %.80s", want, got)
			}
		}
	})
}

// orNull returns a payload as text; nothing is null.
func orNull(payload json.RawMessage) string {
	if payload == nil {
		return "null"
	}
	return string(payload)
}

func TestA13_EventRaisedBeforeTheFirstTurnIsDelivered(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} {
		t.Run("startIn="+delay.String(), func(t *testing.T) {
			contract(t, addBasics, func(w *world) {
				var ids []string
				for i := range 20 {
					o := client.StartOptions{}
					if delay > 0 {
						o.StartAt = time.Now().Add(delay)
					}
					id := w.mustStart("UntilGo", nil, o)
					w.raise(id, "Go", i)
					ids = append(ids, id)
				}
				for i, id := range ids {
					if got := w.completed(id); got != fmt.Sprint(i) {
						w.Errorf("output of instance %d = %s, want what its event carried", i, got)
					}
				}
			})
		})
	}
}

func TestA13_EventsForAScheduledStartSurviveCrashesInOrder(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Three", func(ctx *perdure.OrchestrationContext, _ int) ([]int, error) {
			var out []int
			for range 3 {
				n, err := perdure.WaitForExternalEvent[int](ctx, "N").Await()
				if err != nil {
					return nil, err
				}
				out = append(out, n)
			}
			return out, nil
		})
	}, func(w *world) {
		id := w.mustStart("Three", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		for n := range 3 {
			w.raise(id, "N", n)
			w.crash() // a new owner, while messages of the ones before wait
		}
		if got, want := w.completed(id), `[0,1,2]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestA14_TerminatedAtOnceEndsTerminated(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for range 20 {
			id := w.mustStart("UntilGo", nil, client.StartOptions{})
			if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{}); err != nil {
				w.Fatalf("Terminate right after Start = %v", err)
			}
			w.ended(id, history.Terminated)
		}
		// The id of an ended instance, started and terminated in one breath.
		for range 20 {
			w.mustStart("UntilGo", nil, client.StartOptions{ID: "again"})
			if err := w.Terminate(context.Background(), "again", client.TerminateOptions{}); err != nil {
				w.Fatalf("Terminate right after a reuse = %v", err)
			}
			w.ended("again", history.Terminated)
		}
	})
}

func TestA15_StartSurvivesACrashRightAfterIt(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for i := range 10 {
			id := w.mustStart("Echo", i, client.StartOptions{})
			w.crash()
			if got := w.completed(id); got != fmt.Sprint(i) {
				w.Errorf("output of instance %d = %s, want its input", i, got)
			}
		}
	})
}

func TestA15_StartSurvivesACrashBeforeAnybodyRunsIt(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.stop()
		w.startWith(nil) // a process without functions: nothing runs there
		id := w.mustStart("Echo", "in", client.StartOptions{})
		w.raise(id, "Ignored", nil)
		w.settle()
		if got := w.status(id).RuntimeStatus; got != history.Pending {
			w.Errorf("status where nothing runs = %s, want Pending", got)
		}
		w.crash()
		if got := w.completed(id); got != `"in"` {
			w.Errorf("output after the crash = %s, want \"in\"", got)
		}
	})
}

func TestA16_RestartRunsTheSameAgain(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		tags := map[string]string{"team": "blue"}
		for _, id := range []string{"live", "ended"} {
			w.mustStart("UntilGo", "in", client.StartOptions{ID: history.InstanceID(id), Version: "7", Tags: tags})
		}
		w.raise("ended", "Go", "first")
		w.completed("ended")
		w.settle()

		same := func(id string) {
			t.Helper()
			s := w.status(id)
			if s.Name != "UntilGo" || string(s.Input) != `"in"` || s.Version != "7" || !maps.Equal(s.Tags, tags) {
				w.Errorf("restarted instance is %+v, want name, input, version and tags of the first", s)
			}
		}
		for _, id := range []string{"live", "ended"} {
			before := w.json(id)
			again, err := w.Restart(ctx, history.InstanceID(id), client.RestartOptions{})
			if err != nil || string(again) == id {
				w.Fatalf("Restart(%s) = %q, %v; want a new id", id, again, err)
			}
			same(string(again))
			w.raise(string(again), "Go", "second")
			if got := w.completed(string(again)); got != `"second"` {
				w.Errorf("output of the new instance = %s, want \"second\"", got)
			}
			if now := w.json(id); now != before {
				w.Errorf("the original changed from %s to %s", before, now)
			}
		}

		if _, err := w.Restart(ctx, "live", client.RestartOptions{SameID: true}); !errors.Is(err, client.ErrAlreadyExists) {
			w.Errorf("Restart(live, same id) = %v, want %v", err, client.ErrAlreadyExists)
		}
		old := w.status("ended").ExecutionID
		if id, err := w.Restart(ctx, "ended", client.RestartOptions{SameID: true}); err != nil || id != "ended" {
			w.Fatalf("Restart(ended, same id) = %q, %v", id, err)
		}
		w.crash()
		w.settle()
		same("ended")
		s, err := w.engine.Status(ctx, "ended", hub.StatusOptions{})
		if err != nil || s.Generation != 1 || s.ExecutionID == old || s.Status.Terminal() {
			w.Errorf("status after the restart = %+v, %v; want generation 1 of a live instance", s, err)
		}
		w.raise("ended", "Go", "third")
		if got := w.completed("ended"); got != `"third"` {
			w.Errorf("output after the restart = %s, want \"third\"", got)
		}

		for _, o := range []client.RestartOptions{{}, {SameID: true}} {
			for id, want := range map[string]error{"missing": client.ErrNotFound, "@counter@a": client.ErrInvalidArgument} {
				if _, err := w.Restart(ctx, history.InstanceID(id), o); !errors.Is(err, want) {
					w.Errorf("Restart(%s, %+v) = %v, want %v", id, o, err, want)
				}
			}
		}
	})
}

// A restart in place has no moment without the instance.
func TestA16_RestartInPlaceLeavesNoGap(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		w.completed(w.mustStart("Echo", 1, client.StartOptions{ID: "id"}))
		stop, looked := make(chan struct{}), make(chan int)
		go func() { // ends with stop
			n := 0
			for {
				select {
				case <-stop:
					looked <- n
					return
				default:
				}
				if _, err := w.Status(ctx, "id", client.StatusOptions{}); err != nil {
					w.Errorf("Status during restarts = %v", err)
				}
				n++
			}
		}()
		for range 20 {
			if _, err := w.Restart(ctx, "id", client.RestartOptions{SameID: true}); err != nil {
				w.Errorf("Restart = %v", err)
			}
			w.completed("id")
		}
		close(stop)
		if n := <-looked; n == 0 {
			w.Error("nobody looked")
		}
		if s, err := w.engine.Status(ctx, "id", hub.StatusOptions{}); err != nil || s.Generation != 20 {
			w.Errorf("generation = %d, %v; want 20", s.Generation, err)
		}
	})
}

func TestWaitStarted_ReturnsOnceTheFirstTurnIsDurable(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("UntilGo", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		over := w.mustStart("UntilGo", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		replaced := w.mustStart("UntilGo", 0, client.StartOptions{StartAt: time.Now().Add(time.Hour)})
		ended := make(map[string]chan error)
		for _, id := range []string{id, over, replaced} {
			ch := make(chan error, 1)
			ended[id] = ch
			go func() { ch <- w.engine.WaitStarted(ctx, history.InstanceID(id)) }() // received below
		}
		time.Sleep(time.Hour - time.Second)
		w.settle()
		for id, ch := range ended {
			if len(ch) != 0 {
				w.Errorf("WaitStarted(%s) has returned %v before anything began", id, <-ch)
			}
		}
		w.terminate(over, client.TerminateOptions{})
		w.purge(replaced, client.PurgeOptions{Force: true})
		w.settle()
		if err := <-ended[over]; err != nil {
			w.Errorf("WaitStarted of what was terminated = %v, want nil: it has ended", err)
		}
		if err := <-ended[replaced]; err != nil && !errors.Is(err, hub.ErrNotFound) {
			w.Errorf("WaitStarted of what was purged = %v, want nil or %v", err, hub.ErrNotFound)
		}
		w.crash()
		time.Sleep(2 * time.Second)
		w.settle()
		if got := w.status(id).RuntimeStatus; got != history.Running {
			w.Errorf("status = %s, want Running", got)
		}
		if err := w.engine.WaitStarted(ctx, history.InstanceID(id)); err != nil {
			w.Errorf("WaitStarted of a running instance = %v", err)
		}
		if err := w.engine.WaitStarted(ctx, "missing"); !errors.Is(err, hub.ErrNotFound) {
			w.Errorf("WaitStarted of a missing instance = %v, want %v", err, hub.ErrNotFound)
		}
	})
}

func TestWaitStarted_IsToldByTheFirstTurn(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		began := time.Now()
		id := w.mustStart("UntilGo", 0, client.StartOptions{StartAt: began.Add(time.Minute)})
		if err := w.engine.WaitStarted(context.Background(), history.InstanceID(id)); err != nil {
			w.Fatalf("WaitStarted = %v", err)
		}
		if waited := time.Since(began); waited < time.Minute || waited > time.Minute+time.Millisecond {
			w.Errorf("it returned after %s, want a minute: as soon as the first turn is durable", waited)
		}
		if got := w.status(id).RuntimeStatus; got != history.Running {
			w.Errorf("status = %s, want Running", got)
		}
	})
}
