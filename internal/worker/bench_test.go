package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/worker"
)

func next(_ context.Context, n int) (int, error) { return n + 1, nil }

// chain calls n activities, each with the result of the one before.
func chain(ctx *perdure.OrchestrationContext, n int) (int, error) {
	value := 0
	for range n {
		var err error
		if value, err = perdure.CallActivity(ctx, next, value).Await(); err != nil {
			return 0, err
		}
	}
	return value, nil
}

// BenchmarkReplay rebuilds an instance from a history of 10,000 events and runs
// its next turn.
func BenchmarkReplay(b *testing.B) {
	const steps = 5_000 // two events each
	ctx := context.Background()
	app := perdure.New()
	perdure.AddActivity(app, "Next", next)
	perdure.AddOrchestrator(app, "Chain", chain)
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		b.Fatalf("New() = %v", err)
	}
	defer w.Close()
	work := chainWork(steps)
	b.ReportAllocs()
	for b.Loop() {
		outcome, err := w.Orchestrate(ctx, work)
		if err != nil || len(outcome.Actions) != 1 || outcome.Actions[0].Kind != history.ScheduleTask {
			b.Fatalf("Orchestrate(turn %d of chain) = %+v, %v, want one ScheduleTask", steps+1, outcome, err)
		}
		w.Forget(work.Instance.Number)
	}
	b.ReportMetric(2*steps*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// chainWork is the turn of chain that takes in the result of its last but one
// activity of steps+1, after steps turns that are to be replayed.
func chainWork(steps int32) history.Work {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	instance := history.Instance{Number: history.NewNumber(at.UnixMicro(), 0), ID: "chain", ExecutionID: history.NewExecutionID(), Name: "Chain", Status: history.Running}
	completed := func(task int32) history.Event {
		return history.Event{Kind: history.TaskCompleted, ID: history.NoID, At: at, TaskID: task, Payload: json.RawMessage(fmt.Sprint(task + 1))}
	}
	turns := make([]history.Turn, steps)
	for i := range turns {
		task := int32(i)
		first := completed(task - 1)
		if i == 0 {
			input := json.RawMessage(fmt.Sprint(steps + 1))
			first = history.Event{
				Kind: history.ExecutionStarted, ID: history.NoID, At: at, Name: "Chain", Payload: input,
				Started: &history.Started{ExecutionID: instance.ExecutionID},
			}
		}
		turns[i] = history.Turn{Seq: uint32(i + 1), At: at.Add(time.Duration(i) * time.Millisecond), Events: []history.Event{
			first,
			{Kind: history.TaskScheduled, ID: task, At: at, Name: "Next", Payload: json.RawMessage(fmt.Sprint(task)), Attempt: 1},
		}}
	}
	return history.Work{
		Instance:  instance,
		Turn:      history.Turn{Seq: uint32(steps + 1), At: at.Add(time.Hour), Events: []history.Event{completed(steps - 1)}},
		PastTurns: len(turns),
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range turns {
					if !yield(turn, nil) {
						return
					}
				}
			}
		},
	}
}
