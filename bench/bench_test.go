package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/internal/worker"
)

// helloTurn is a turn in the middle of hello.
func helloTurn() *history.Turn {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	return &history.Turn{Seq: 3, At: at, Events: []history.Event{
		{Kind: history.TaskCompleted, ID: history.NoID, At: at, TaskID: 0, Payload: json.RawMessage(`"Hello, Tokyo!"`)},
		{Kind: history.TaskScheduled, ID: 1, At: at, Name: "SayHello", Payload: json.RawMessage(`"Seattle"`), Attempt: 1},
	}}
}

func BenchmarkEncodeTurn(b *testing.B) {
	turn := helloTurn()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = history.AppendTurn(buf[:0], turn)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeTurn(b *testing.B) {
	encoded := history.AppendTurn(nil, helloTurn())
	b.ReportAllocs()
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		if _, err := history.DecodeTurn(3, encoded); err != nil {
			b.Fatalf("DecodeTurn(%x) = %v", encoded, err)
		}
	}
}

// BenchmarkCommit stores the first delta of 100 new instances, synced.
func BenchmarkCommit(b *testing.B) {
	ctx := context.Background()
	life, err := helloDeltas(ctx, site{dir: b.TempDir()})
	if err != nil {
		b.Fatalf("helloDeltas() = %v", err)
	}
	f, err := openFolder(b.TempDir())
	if err != nil {
		b.Fatalf("openFolder() = %v", err)
	}
	defer func() {
		if err := f.close(); err != nil {
			b.Errorf("close() = %v", err)
		}
	}()
	epochs, err := f.acquire(ctx)
	if err != nil {
		b.Fatalf("acquire() = %v", err)
	}
	crowd := newCrowd(epochs)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		commit := crowd.commits(100, [][]engine.Delta{life[:1]})[0]
		b.StartTimer()
		if err := f.hub.Commit(ctx, commit); err != nil {
			b.Fatalf("Commit(%d deltas) = %v", len(commit), err)
		}
	}
}

// BenchmarkHello runs hello through the client, callers at a time for each core.
func BenchmarkHello(b *testing.B) {
	ctx := context.Background()
	p, err := openProcess(ctx, b.TempDir())
	if err != nil {
		b.Fatalf("openProcess() = %v", err)
	}
	defer func() {
		if err := p.close(); err != nil {
			b.Errorf("close() = %v", err)
		}
	}()
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := p.complete(ctx, "Hello", nil); err != nil {
				b.Errorf("complete(Hello) = %v", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orchestrations/s")
}

// BenchmarkReplay rebuilds an instance from a history of 10,000 events and runs
// its next turn.
func BenchmarkReplay(b *testing.B) {
	const steps = 5_000 // two events each
	ctx := context.Background()
	w, err := worker.New(newApp(), worker.Options{})
	if err != nil {
		b.Fatalf("worker.New() = %v", err)
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
