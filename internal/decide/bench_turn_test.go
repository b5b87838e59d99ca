package decide

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// BenchmarkTurn decides one turn of many: the result of an activity in, the next
// call out, and the delta's record encoded. User code and the store are left out.
func BenchmarkTurn(b *testing.B) {
	now := dawn
	started := history.Event{Kind: history.ExecutionStarted, Name: "Endless", Payload: json.RawMessage(`1`), Started: &history.Started{}}
	d := Begin(started, "i", history.NewNumber(now.UnixMicro(), 0), "e1", history.Instance{})
	call := func(task int32) history.Outcome {
		return history.Outcome{Actions: []history.Action{{Kind: history.ScheduleTask, ID: task, Name: "Next", Payload: json.RawMessage(`1`)}}}
	}
	turn := func(batch []Message, out history.Outcome) {
		step := Open(Inbox{ID: "i", Row: &d.Row, State: d.State, Batch: batch, Now: now})
		d, _ = step.Close(&Answer{Outcome: out})
	}
	turn(nil, call(0))
	var record []byte
	task := int32(0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		done := history.Event{Kind: history.TaskCompleted, ID: history.NoID, At: now, TaskID: task, Payload: json.RawMessage(`2`)}
		task++
		turn([]Message{{Execution: "e1", Event: done}}, call(task))
		record = history.AppendTurn(record[:0], &d.Record)
	}
	if got := d.State.Open; len(got) != 1 || got[task] == nil {
		b.Fatalf("after %d turns %v is open, want activity %d", task+1, got, task)
	}
}
