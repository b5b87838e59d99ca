package decide_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// An instance is driven by hand: it begins, calls an activity, and ends with its result.
// The owner of the instance does the same, and stores each decision before its effects
// leave.
func ExampleOpen() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	started := history.Event{Kind: history.ExecutionStarted, Name: "Greet", Started: &history.Started{}}
	d := decide.Begin(started, "greeting", history.NewNumber(now.UnixMicro(), 0), "first", history.Instance{})
	fmt.Println(d.Row.Status, "after record", d.Record.Seq)

	turn := func(batch []decide.Message, code ...history.Action) {
		now = now.Add(time.Second)
		step := decide.Open(decide.Inbox{ID: d.Row.ID, Row: &d.Row, State: d.State, Batch: batch, Now: now})
		if step.Kind != decide.Run {
			panic("no code is asked for")
		}
		d, _ = step.Close(&decide.Answer{Outcome: history.Outcome{Actions: code}})
		fmt.Println(d.Row.Status, "after record", d.Record.Seq)
		for _, call := range d.Schedule {
			fmt.Println("run", call.Name, string(call.Payload))
		}
	}
	turn(nil, history.Action{Kind: history.ScheduleTask, ID: 0, Name: "Hello", Payload: json.RawMessage(`"Ada"`)})
	turn([]decide.Message{{Execution: "first", Event: history.Event{Kind: history.TaskCompleted, TaskID: 0, Payload: json.RawMessage(`"Hello Ada"`)}}},
		history.Action{Kind: history.CompleteExecution, ID: 1, Status: history.Completed, Payload: json.RawMessage(`"Hello Ada"`)})
	fmt.Println(string(d.State.Completed.Payload))
	// Output:
	// Pending after record 1
	// Running after record 2
	// run Hello "Ada"
	// Completed after record 3
	// "Hello Ada"
}
