package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

func greet(_ context.Context, name string) (string, error) { return "Hello " + name + "!", nil }

func TestB17_ActivityGetsInstanceAndInputAndItsResultComesBack(t *testing.T) {
	type order struct {
		Item  string
		Count int
		Notes []string
	}
	type receipt struct {
		Instance, Name, Token string
		Attempt               int32
		Order                 order
	}
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Sell", func(ctx context.Context, in order) (receipt, error) {
			info, ok := perdure.ActivityInfoFrom(ctx)
			if !ok {
				return receipt{}, errors.New("the context of an activity does not tell which call it serves")
			}
			return receipt{string(info.InstanceID), info.Name, info.IdempotencyToken, info.Attempt, in}, nil
		})
		perdure.AddOrchestrator(app, "Buy", func(ctx *perdure.OrchestrationContext, in order) (receipt, error) {
			return perdure.ActivityRef[order, receipt]("Sell").Call(ctx, in).Await()
		})
	}, func(w *world) {
		in := order{"Zürich <tram>", 3, []string{"", "two\nlines"}}
		id := w.mustStart("Buy", in, client.StartOptions{})
		s := w.ended(id, history.Completed)
		got, err := client.Result[receipt](s)
		want := receipt{id, "Sell", fmt.Sprintf("%s/%s/0", id, s.ExecutionID), 1, in}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			w.Errorf("Result = %v, differs (-want +got):\n%s", err, diff)
		}
	})
}

func TestB18_ChainOfFiveKeepsOrderAndRunsEachActivityOnce(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Greet", func(ctx context.Context, name string) (string, error) {
			w.mark(name)
			return greet(ctx, name)
		})
		perdure.AddOrchestrator(app, "Chain", func(ctx *perdure.OrchestrationContext, names []string) ([]string, error) {
			var out []string
			for _, n := range names {
				s, err := perdure.ActivityRef[string, string]("Greet").Call(ctx, n).Await()
				if err != nil {
					return nil, err
				}
				out = append(out, s)
			}
			return out, nil
		})
	}, func(w *world) {
		names := []string{"a", "b", "c", "d", "e"}
		got := w.run("Chain", names)
		if want := `["Hello a!","Hello b!","Hello c!","Hello d!","Hello e!"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		w.settle()
		for _, name := range names {
			if n := w.marked(name); n != 1 {
				w.Errorf("activity with input %s ran %d times, want 1", name, n)
			}
		}
	})
}

func TestB19_FanOutOfThousandKeepsCallOrder(t *testing.T) {
	const n = 1000
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Square", func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration((n-i)/100) * time.Second) // the last hundred end first
			w.mark("runs")
			return i * i, nil
		})
		perdure.AddOrchestrator(app, "Squares", func(ctx *perdure.OrchestrationContext, _ int) ([]int, error) {
			tasks := make([]*perdure.Task[int], n)
			for i := range tasks {
				tasks[i] = perdure.ActivityRef[int, int]("Square").Call(ctx, i)
			}
			return perdure.WhenAll(ctx, tasks...).Await()
		})
	}, func(w *world) {
		w.stop()
		w.options.MaxActivities = n // they all run at once, so that their delays decide who ends first
		w.start()
		id := w.mustStart("Squares", 0, client.StartOptions{})
		var got []int
		if err := json.Unmarshal([]byte(w.completed(id)), &got); err != nil || len(got) != n {
			w.Fatalf("output holds %d results (%v), want %d", len(got), err, n)
		}
		for i := range got {
			if got[i] != i*i {
				w.Errorf("result %d = %d, want %d", i, got[i], i*i)
			}
		}
		var ended []int32
		for _, ev := range w.history(id) {
			if ev.Kind == history.TaskCompleted {
				ended = append(ended, ev.TaskID)
			}
		}
		if len(ended) != n || slices.IsSorted(ended) {
			w.Errorf("history has %d completions, in call order: %t; want %d in another order, else the test shows nothing", len(ended), slices.IsSorted(ended), n)
		}
		if runs := w.marked("runs"); runs != n {
			w.Errorf("activities ran %d times, want %d", runs, n)
		}
	})
}

// takes runs for Delay and fails if told to.
type takes struct {
	Delay time.Duration
	Fail  string
}

func runTakes(_ context.Context, in takes) (string, error) {
	time.Sleep(in.Delay)
	if in.Fail != "" {
		return "", errors.New(in.Fail)
	}
	return in.Delay.String(), nil
}

func TestB20_WhenAllWaitsForAllAndSurfacesTheFirstFailure(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Takes", runTakes)
		perdure.AddOrchestrator(app, "All", func(ctx *perdure.OrchestrationContext, ins []takes) (string, error) {
			began := ctx.Now()
			var tasks []*perdure.Task[string]
			for _, in := range ins {
				tasks = append(tasks, perdure.CallActivity(ctx, runTakes, in))
			}
			_, err := perdure.WhenAll(ctx, tasks...).Await()
			return fmt.Sprintf("%v after %s", err, ctx.Now().Sub(began).Round(time.Second)), nil
		})
	}, func(w *world) {
		got := w.run("All", []takes{{4 * time.Second, "late"}, {5 * time.Second, ""}, {2 * time.Second, "first"}, {3 * time.Second, "second"}})
		if want := `"Task 'Takes' (#2) failed with an unhandled exception: first after 5s"`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestB21_WhenAnyReturnsTheFastOneAndTheSlowOneChangesNothing(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Takes", runTakes)
		perdure.AddOrchestrator(app, "Race", func(ctx *perdure.OrchestrationContext, _ int) ([]int, error) {
			slow := perdure.CallActivity(ctx, runTakes, takes{Delay: time.Minute})
			fast := perdure.CallActivity(ctx, runTakes, takes{Delay: time.Second})
			first := perdure.WhenAny(ctx, slow, fast)
			var winners []int
			for range 2 {
				winner, err := first.Await()
				if err != nil {
					return nil, err
				}
				winners = append(winners, winner)
				if _, err := ctx.CreateTimer(time.Hour).Await(); err != nil {
					return nil, err
				}
			}
			return winners, nil
		})
	}, func(w *world) {
		id := w.mustStart("Race", 0, client.StartOptions{})
		if got, want := w.completed(id), `[1,1]`; got != want {
			w.Errorf("winner before and after the slow one has ended = %s, want %s", got, want)
		}
		var ended []int32
		for _, ev := range w.history(id) {
			if ev.Kind == history.TaskCompleted {
				ended = append(ended, ev.TaskID)
			}
		}
		if diff := cmp.Diff([]int32{1, 0}, ended); diff != "" {
			w.Errorf("completed activities in history differ (-want +got):\n%s", diff)
		}
	})
}

type declinedError struct{ card string }

func (e *declinedError) Error() string { return "card " + e.card + " declined" }

func TestB22_FailureOfAnActivityReachesItsCaller(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Charge", func(_ context.Context, card string) (int, error) { return 0, &declinedError{card} })
		perdure.AddOrchestrator(app, "Uncaught", func(ctx *perdure.OrchestrationContext, card string) (int, error) {
			return perdure.ActivityRef[string, int]("Charge").Call(ctx, card).Await()
		})
		perdure.AddOrchestrator(app, "Caught", func(ctx *perdure.OrchestrationContext, card string) ([]string, error) {
			_, err := perdure.ActivityRef[string, int]("Charge").Call(ctx, card).Await()
			failed, ok := errors.AsType[*perdure.TaskFailedError](err)
			if !ok {
				return nil, fmt.Errorf("error of the call = %T, want *TaskFailedError", err)
			}
			return []string{failed.Name, failed.Failure.Type, failed.Failure.Message}, nil
		})
	}, func(w *world) {
		const typ, message = "*engine_test.declinedError", "card 4711 declined"
		if got, want := w.run("Caught", "4711"), `["Charge","`+typ+`","`+message+`"]`; got != want {
			w.Errorf("what the caller sees = %s, want %s", got, want)
		}
		s := w.ended(w.mustStart("Uncaught", "4711", client.StartOptions{}), history.Failed)
		if s.Failure == nil || s.Failure.Type != typ || s.Failure.Message != message {
			w.Errorf("failure of the instance = %+v, want the activity's own: %s, %s", s.Failure, typ, message)
		}
	})
}

// layeredError is a failure with a cause.
type layeredError struct {
	text  string
	cause error
}

func (e *layeredError) Error() string { return e.text }
func (e *layeredError) Unwrap() error { return e.cause }

func TestB23_UnhandledFailureKeepsTypeMessageAndCauses(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		fail := func() error {
			return &layeredError{"order not placed", &layeredError{"payment refused", &declinedError{"4711"}}}
		}
		perdure.AddActivity(app, "Place", func(context.Context, int) (int, error) { return 0, fail() })
		perdure.AddOrchestrator(app, "ByActivity", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			return perdure.ActivityRef[int, int]("Place").Call(ctx, 1).Await()
		})
		perdure.AddOrchestrator(app, "ByItself", func(*perdure.OrchestrationContext, int) (int, error) { return 0, fail() })
	}, func(w *world) {
		want := &client.Failure{Type: "*engine_test.layeredError", Message: "order not placed", Inner: &client.Failure{
			Type: "*engine_test.layeredError", Message: "payment refused", Inner: &client.Failure{
				Type: "*engine_test.declinedError", Message: "card 4711 declined",
			},
		}}
		for _, name := range []string{"ByActivity", "ByItself"} {
			s := w.ended(w.mustStart(name, 0, client.StartOptions{}), history.Failed)
			if diff := cmp.Diff(want, s.Failure); diff != "" {
				w.Errorf("failure of %s differs (-want +got):\n%s", name, diff)
			}
			if got, want := string(s.Output), `"*engine_test.layeredError: order not placed"`; got != want {
				w.Errorf("output of %s = %s, want %s", name, got, want)
			}
		}
	})
}

func TestB22_ActivityThatExitsItsGoroutineFailsAndCostsNoOther(t *testing.T) {
	const exits = 200 // many times more than run at a time
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Exit", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
		perdure.AddActivity(app, "Echo", func(_ context.Context, in int) (int, error) { return in, nil })
		perdure.AddOrchestrator(app, "Exits", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			failed := 0
			var tasks []*perdure.Task[int]
			for range exits {
				tasks = append(tasks, perdure.ActivityRef[int, int]("Exit").Call(ctx, 0))
			}
			for _, task := range tasks {
				if _, err := task.Await(); err != nil && strings.Contains(err.Error(), "Goexit") {
					failed++
				}
			}
			return perdure.ActivityRef[int, int]("Echo").Call(ctx, failed).Await()
		})
	}, func(w *world) {
		if got := w.run("Exits", 0); got != fmt.Sprint(exits) {
			w.Errorf("output = %s, want %d failures that name Goexit", got, exits)
		}
	})
}

func TestB24_ActivityRunsAgainAfterACrashAndHasOneResult(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Fragile", func(ctx context.Context, _ int) (int64, error) {
			run := w.mark("runs")
			if run <= 2 {
				<-ctx.Done() // until the crash
			}
			return run, nil
		})
		perdure.AddOrchestrator(app, "Once", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
			return perdure.ActivityRef[int, int64]("Fragile").Call(ctx, 0).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Once", 0, client.StartOptions{})
		for range 2 {
			w.settle()
			w.crash()
		}
		if got := w.completed(id); got != "3" {
			w.Errorf("output = %s, want 3: the result of the run that no crash ended", got)
		}
		w.settle()
		if n := w.count(id, history.TaskCompleted); n != 1 {
			w.Errorf("history has %d results, want 1", n)
		}
		if n := w.marked("runs"); n != 3 {
			w.Errorf("activity ran %d times in a world with 2 crashes, want 3", n)
		}
	})
}

// crashWith crashes the process and leaves messages for the instance in the
// store, as a store that delivers more than once would.
func (w *world) crashWith(id string, events ...history.Event) {
	w.Helper()
	execution := history.ExecutionID(w.status(id).ExecutionID)
	w.store.kill()
	w.stop()
	p := history.PartitionOf(history.InstanceID(id), w.inner.Partitions())
	owner, grants := storetest.Own(w, w.inner)
	delta := &store.Delta{Partition: p}
	for i, ev := range events {
		ev.ID, ev.At = history.NoID, history.Truncate(time.Now())
		delta.Sent = append(delta.Sent, store.Message{
			MessageKey: store.MessageKey{Partition: p, From: p, Seq: uint64(grants[p].Epoch)<<40 + uint64(i)},
			Bytes:      history.AppendMessage(nil, &history.Message{To: history.InstanceID(id), ExecutionID: execution, Event: ev}),
		})
	}
	if err := owner.Commit(context.Background(), 0, []*store.Delta{delta}); err != nil {
		w.Fatalf("Commit of injected messages = %v", err)
	}
	w.start()
	w.settle()
}

func TestB25_SecondCompletionOfATaskIsIgnored(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Silent", func(ctx context.Context, _ int) (string, error) { // its results are injected
			<-ctx.Done()
			return "", ctx.Err()
		})
		perdure.AddOrchestrator(app, "Two", func(ctx *perdure.OrchestrationContext, _ int) ([]string, error) {
			var out []string
			for i := range 2 {
				s, err := perdure.ActivityRef[int, string]("Silent").Call(ctx, i).Await()
				if err != nil {
					return nil, err
				}
				out = append(out, s)
			}
			return out, nil
		})
	}, func(w *world) {
		done := func(task int32, result string) history.Event {
			return history.Event{Kind: history.TaskCompleted, TaskID: task, Payload: json.RawMessage(`"` + result + `"`)}
		}
		failed := history.Event{Kind: history.TaskFailed, TaskID: 0, Failure: &history.Failure{Type: "E", Message: "late"}}
		id := w.mustStart("Two", 0, client.StartOptions{})
		w.settle()
		check := func(what string, completed, scheduled int) {
			w.Helper()
			if n := w.count(id, history.TaskCompleted) + w.count(id, history.TaskFailed); n != completed {
				w.Errorf("after %s history has %d results, want %d", what, n, completed)
			}
			if n := w.count(id, history.TaskScheduled); n != scheduled {
				w.Errorf("after %s history has %d activities, want %d", what, n, scheduled)
			}
		}
		w.crashWith(id, done(0, "x"), done(0, "y"), failed)
		check("two results and a failure of task 0 at once", 1, 2)
		w.crashWith(id, done(0, "z"), failed, done(7, "never asked for"))
		check("another result of task 0", 1, 2)
		w.crashWith(id, done(1, "b"), done(0, "late"))
		if got, want := w.completed(id), `["x","b"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
		w.crashWith(id, done(1, "after the end"))
		check("a result for an instance that has ended", 2, 2)
		for p := range w.inner.Partitions() {
			for m, err := range w.inner.Inbox(context.Background(), p) {
				w.Errorf("inbox still holds %v (%v), want nothing: what is ignored is used up", m.MessageKey, err)
			}
		}
	})
}

func TestB26_ResultForATerminatedInstanceIsDiscarded(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Deaf", func(context.Context, int) (int, error) {
			time.Sleep(time.Minute) // whatever becomes of its context
			w.mark("ended")
			return 1, nil
		})
		perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			return perdure.ActivityRef[int, int]("Deaf").Call(ctx, 0).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Wait", 0, client.StartOptions{})
		time.Sleep(30 * time.Second)
		if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Reason: "enough"}); err != nil {
			w.Fatalf("Terminate = %v", err)
		}
		before := w.ended(id, history.Terminated)
		if n := w.marked("ended"); n != 0 {
			w.Fatalf("the activity ended before the termination: the test shows nothing")
		}
		time.Sleep(10 * time.Minute)
		w.settle()
		if n := w.marked("ended"); n != 1 {
			w.Fatalf("the activity ended %d times, want 1: else the test shows nothing", n)
		}
		if diff := cmp.Diff(before, w.status(id)); diff != "" {
			w.Errorf("status after the late result differs (-before +after):\n%s", diff)
		}
		if n := w.count(id, history.TaskCompleted); n != 0 {
			w.Errorf("history has %d results, want 0", n)
		}
	})
}

func TestB27_ResultForAnEarlierGenerationIsDiscarded(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Deaf", func(_ context.Context, generation int) (int, error) {
			time.Sleep(time.Minute)
			w.mark(fmt.Sprint("ended ", generation))
			return generation, nil
		})
		perdure.AddOrchestrator(app, "Twice", func(ctx *perdure.OrchestrationContext, generation int) (int, error) {
			call := perdure.ActivityRef[int, int]("Deaf").Call(ctx, generation)
			if generation == 1 {
				if _, err := ctx.CreateTimer(30 * time.Second).Await(); err != nil {
					return 0, err
				}
				return 0, ctx.ContinueAsNew(2)
			}
			return call.Await()
		})
	}, func(w *world) {
		id := w.mustStart("Twice", 1, client.StartOptions{})
		if got := w.completed(id); got != "2" {
			w.Errorf("output = %s, want 2: the result of the generation that waited for it", got)
		}
		if n := w.marked("ended 1"); n != 1 {
			w.Fatalf("activity of generation 1 ended %d times, want 1: else the test shows nothing", n)
		}
		if n := w.count(id, history.TaskCompleted); n != 1 {
			w.Errorf("history has %d results, want 1", n)
		}
	})
}

func TestB28_UnregisteredActivityIsHeldVisiblyUntilItIsRegistered(t *testing.T) {
	orchestrator := func(ctx *perdure.OrchestrationContext, in string) (string, error) {
		return perdure.ActivityRef[string, string]("Later").Call(ctx, in).Await()
	}
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Calls", orchestrator)
	}, func(w *world) {
		id := w.mustStart("Calls", "Ada", client.StartOptions{})
		time.Sleep(10 * time.Minute)
		w.settle()
		if got := w.status(id).RuntimeStatus; got != history.Running {
			w.Errorf("status while nobody knows the activity = %s, want Running", got)
		}
		held := w.engine.Held()
		if len(held) != 1 || string(held[0].Instance) != id || held[0].Task != 0 || !strings.Contains(held[0].Reason, `"Later"`) || held[0].Attempts < 5 {
			w.Errorf("Held() = %+v, want task 0 of %s, held again and again because of \"Later\"", held, id)
		}
		w.deploy(func(_ *world, app *perdure.App) {
			perdure.AddOrchestrator(app, "Calls", orchestrator)
			perdure.AddActivity(app, "Later", greet)
		})
		if got := w.completed(id); got != `"Hello Ada!"` {
			w.Errorf("output once it is registered = %s, want \"Hello Ada!\"", got)
		}
		if held := w.engine.Held(); len(held) != 0 {
			w.Errorf("Held() once it is registered = %+v, want none", held)
		}
	})
}

// In one process nobody else can take a running activity over, so all that is
// left of the row is that nothing gives up on a long one.
func TestB29_LongActivityRunsOnce(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Long", func(ctx context.Context, d time.Duration) (string, error) {
			w.mark(d.String())
			select {
			case <-time.After(d):
				return d.String(), nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		})
		perdure.AddOrchestrator(app, "Patient", func(ctx *perdure.OrchestrationContext, d time.Duration) (string, error) {
			return perdure.ActivityRef[time.Duration, string]("Long").Call(ctx, d).Await()
		})
	}, func(w *world) {
		for _, d := range []time.Duration{10 * time.Minute, 90 * time.Minute} {
			if got, want := w.run("Patient", d), fmt.Sprintf("%q", d); got != want {
				w.Errorf("output = %s, want %s", got, want)
			}
			w.settle()
			if n := w.marked(d.String()); n != 1 {
				w.Errorf("an activity of %s ran %d times, want 1", d, n)
			}
		}
	})
}

// isolated is a store as a process sees it that another one has replaced without
// its knowledge: what it commits arrives, too late, and it gets nothing back.
type isolated struct {
	store.Store
	replaced atomic.Bool
	rejected atomic.Int64 // commits, since another one owns the hub
}

func (s *isolated) Join(ctx context.Context, self store.Node) (store.Tenure, error) {
	if s.replaced.Load() {
		return nil, store.ErrBroken
	}
	return storetest.JoinWith(ctx, s.Store, self, s.commit)
}

func (s *isolated) commit(ctx context.Context, t store.Tenure, lane int, deltas []*store.Delta) error {
	err := t.Commit(ctx, lane, deltas)
	if errors.Is(err, store.ErrFenced) {
		s.rejected.Add(1)
	}
	return err
}

func TestB30_LateResultOfAnIsolatedOwnerIsRejected(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Slow", func(context.Context, int) (int64, error) {
			run := w.mark("runs")
			if run == 1 {
				time.Sleep(time.Hour)
			}
			w.mark("returned")
			return run, nil
		})
		perdure.AddOrchestrator(app, "Once", func(ctx *perdure.OrchestrationContext, _ int) (int64, error) {
			got, err := perdure.ActivityRef[int, int64]("Slow").Call(ctx, 0).Await()
			if err != nil {
				return 0, err
			}
			_, err = ctx.CreateTimer(2 * time.Hour).Await()
			return got, err
		})
	}, func(w *world) {
		w.stop()
		hub := w.inner
		first := &isolated{Store: hub}
		w.inner = first
		w.start()
		id := w.mustStart("Once", 0, client.StartOptions{})
		w.settle()
		store, end, run := w.store, w.end, w.worker
		first.replaced.Store(true)
		w.inner = hub
		w.start() // beside the first one
		w.settle()
		if runs, returned := w.marked("runs"), w.marked("returned"); runs != 2 || returned != 1 {
			w.Fatalf("the activity ran %d times and returned %d times, want 2 and 1", runs, returned)
		}
		time.Sleep(90 * time.Minute)
		// Where the instance is not kept in memory the late one reads it, and finds
		// that it has its result.
		returned, rejected, kept := w.marked("returned"), first.rejected.Load(), w.options.CacheBytes == 0
		if returned != 2 || kept && rejected == 0 {
			w.Errorf("the activity returned %d times, %d commits were rejected; want 2 and at least 1", returned, rejected)
		}
		store.kill() // it may end as it likes
		end()
		run.Close()
		if got := w.completed(id); got != "2" {
			w.Errorf("output = %s, want 2: the result of the owner", got)
		}
		if n := w.count(id, history.TaskCompleted); n != 1 {
			w.Errorf("history has %d results, want 1", n)
		}
	})
}

func TestB31_LargeResultRoundTrips(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Report", func(_ context.Context, n int) (string, error) { return strings.Repeat("large ", n), nil })
		perdure.AddOrchestrator(app, "Publish", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			report, err := perdure.ActivityRef[int, string]("Report").Call(ctx, n).Await()
			if err != nil {
				return "", err
			}
			_, err = perdure.WaitForExternalEvent[bool](ctx, "Go").Await()
			return report, err
		})
	}, func(w *world) {
		const n = 200_000 // 1.2 MB
		want := `"` + strings.Repeat("large ", n) + `"`
		id := w.mustStart("Publish", n, client.StartOptions{})
		w.settle()
		w.crash() // what follows is read back from the store
		w.raise(id, "Go", true)
		if got := w.completed(id); got != want {
			w.Errorf("output has %d bytes, %.32s...; want %d, %.32s...", len(got), got, len(want), want)
		}
		for _, ev := range w.history(id) {
			if ev.Kind == history.TaskCompleted && string(ev.Payload) != want {
				w.Errorf("result in history has %d bytes, %.32s...; want %d, %.32s...", len(ev.Payload), ev.Payload, len(want), want)
			}
		}
	})
}

func TestB31_PurgeRemovesALargeResult(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddActivity(app, "Report", func(_ context.Context, n int) (string, error) { return strings.Repeat("large ", n), nil })
		perdure.AddOrchestrator(app, "Publish", func(ctx *perdure.OrchestrationContext, n int) (string, error) {
			return perdure.ActivityRef[int, string]("Report").Call(ctx, n).Await()
		})
	}, func(w *world) {
		id := w.mustStart("Publish", 200_000, client.StartOptions{})
		w.completed(id)
		number := w.number(id)
		if n := w.records(id); n < 2 {
			w.Fatalf("there are %d records, want the result in one of 2 or more", n)
		}
		w.purge(id, client.PurgeOptions{})
		w.gone(id, number)
		w.crash()
		w.gone(id, number)
	})
}

// The context of an activity ends with the need for its result, whichever way the
// activity looks, and tells which call it serves.
func TestActivityContextEndsWhenTheResultIsNotWanted(t *testing.T) {
	var contexts sync.Map // of the activities that run, by world
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Keep", func(ctx context.Context, derive bool) (string, error) {
			contexts.Store(w, ctx)
			if derive {
				derived, cancel := context.WithTimeout(ctx, 1_000*time.Hour)
				defer cancel()
				<-derived.Done()
			}
			for ctx.Err() == nil {
				time.Sleep(time.Second)
			}
			w.mark("seen")
			return "", nil
		})
		perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, derive bool) (string, error) {
			return perdure.ActivityRef[bool, string]("Keep").Call(ctx, derive).Await()
		})
	}, func(w *world) {
		for _, derive := range []bool{false, true} {
			id := w.mustStart("Main", derive, client.StartOptions{})
			w.settle()
			value, _ := contexts.Load(w)
			ctx := value.(context.Context)
			if info, ok := perdure.ActivityInfoFrom(ctx); !ok || info.Name != "Keep" || info.InstanceID != perdure.InstanceID(id) {
				w.Errorf("ActivityInfoFrom(derive %t) = %+v, %t", derive, info, ok)
			}
			if err := ctx.Err(); err != nil {
				w.Errorf("Err of a context that is wanted = %v", err)
			}
			if err := w.Terminate(context.Background(), history.InstanceID(id), client.TerminateOptions{Wait: true}); err != nil {
				w.Fatalf("Terminate = %v", err)
			}
			<-ctx.Done()
			if err, cause := ctx.Err(), context.Cause(ctx); !errors.Is(err, context.Canceled) || !errors.Is(cause, context.Canceled) {
				w.Errorf("context(derive %t) ended with %v, %v; want %v", derive, err, cause, context.Canceled)
			}
		}
		time.Sleep(time.Minute)
		if n := w.marked("seen"); n != 2 {
			w.Errorf("%d of 2 activities saw their end", n)
		}
	})
}
