package engine

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
	d := begin(started, "i", history.NewNumber(now.UnixMicro(), 0), "e1", history.Instance{})
	call := func(task int32) history.Outcome {
		return history.Outcome{Actions: []history.Action{{Kind: history.ScheduleTask, ID: task, Name: "Next", Payload: json.RawMessage(`1`)}}}
	}
	in := take(&d.row, d.state, nil, now)
	d = finish(d.row, d.state, in, call(0), "", "")
	var record []byte
	task := int32(0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		done := history.Event{Kind: history.TaskCompleted, ID: history.NoID, At: now, TaskID: task, Payload: json.RawMessage(`2`)}
		in := take(&d.row, d.state, []message{{execution: "e1", event: done}}, now)
		task++
		d = finish(d.row, d.state, in, call(task), "", "")
		record = history.AppendTurn(record[:0], d.record)
	}
	if got := d.state.Open; len(got) != 1 || got[task] == nil {
		b.Fatalf("after %d turns %v is open, want activity %d", task+1, got, task)
	}
}
