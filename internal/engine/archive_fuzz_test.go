package engine

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// The seeds are small: an instance that waits, one that failed, one rewound.
const (
	seedLive = `{"format":"perdure-instance/1","instance":{"id":"a","name":"A","status":"Running","createdAt":"2000-01-01T00:00:00Z"},"turns":[
{"seq":1,"events":[{"eventType":"ExecutionStarted","name":"A","started":{}}]},
{"seq":2,"at":"2000-01-01T00:00:01Z","events":[{"eventType":"TaskScheduled","eventId":0,"name":"B"},{"eventType":"TimerCreated","eventId":1,"fireAt":"2000-01-01T00:00:02Z"}]},
{"seq":3,"at":"2000-01-01T00:00:02Z","events":[{"eventType":"TaskFailed","taskId":0},{"eventType":"TimerCreated","eventId":2,"fireAt":"2000-01-01T00:00:03Z"}]}]}`
	seedEnded = `{"format":"perdure-instance/1","instance":{"id":"a","name":"A","status":"Failed","createdAt":"2000-01-01T00:00:00Z","completedAt":"2000-01-01T00:00:01Z"},"turns":[
{"seq":1,"events":[{"eventType":"ExecutionStarted","name":"A","started":{}}]},
{"seq":2,"at":"2000-01-01T00:00:01Z","events":[{"eventType":"SubOrchestrationInstanceCreated","eventId":0,"name":"B","instance":"b"}]},
{"seq":3,"at":"2000-01-01T00:00:02Z","events":[{"eventType":"SubOrchestrationInstanceFailed","taskId":0},{"eventType":"ExecutionCompleted","eventId":1,"status":"Failed","tasks":[0]}]}]}`
	seedRewound = `{"format":"perdure-instance/1","instance":{"id":"a","name":"A","status":"Pending","createdAt":"2000-01-01T00:00:00Z"},"turns":[
{"seq":1,"events":[{"eventType":"ExecutionStarted","name":"A","started":{}}]},
{"seq":2,"at":"2000-01-01T00:00:01Z","events":[{"eventType":"TaskScheduled","eventId":0,"name":"B"}]},
{"seq":3,"events":[{"eventType":"ExecutionRewound","tasks":[0],"started":{}},{"eventType":"EventRaised","name":"C","payload":1}]}]}`
)

// Whatever an archive says, it is refused as an invalid argument or becomes a
// decision that can be stored and read again, explained, and rewound if it failed.
//
// Fuzz with -fuzzminimizetime 10x: by default Go shrinks each input that is new for
// up to a minute, and comes to nothing else.
func FuzzImport(f *testing.F) {
	for _, text := range []string{seedLive, seedEnded, seedRewound} {
		var req hub.ImportRequest
		if err := json.Unmarshal([]byte(text), &req.Archive); err != nil {
			f.Fatal(err)
		}
		if _, err := decide.CheckImport(&req, "x"); err != nil {
			f.Fatalf("a seed is refused: %v", err)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var req hub.ImportRequest
		if json.Unmarshal(text, &req.Archive) != nil {
			return
		}
		a, err := decide.CheckImport(&req, "x")
		if err != nil {
			if !errors.Is(err, hub.ErrInvalidArgument) {
				t.Errorf("CheckImport = %v, want ErrInvalidArgument", err)
			}
			return
		}
		d := a.Decide(history.NewNumber(1, 0), history.Instance{})
		if _, err := history.DecodeInstance(history.AppendInstance(nil, &d.Row)); err != nil {
			t.Errorf("the row cannot be read again: %v", err)
		}
		if _, err := history.DecodeTurn(1, history.AppendTurn(nil, &d.Record)); err != nil {
			t.Errorf("the last turn cannot be read again: %v", err)
		}
		turns := make([]history.Turn, 0, len(a.Earlier)+1)
		for _, rec := range a.Earlier {
			turn, err := history.DecodeTurn(rec.Seq, rec.Bytes)
			if err != nil {
				t.Errorf("turn %d cannot be read again: %v", rec.Seq, err)
			}
			turns = append(turns, turn)
		}
		turns = append(turns, d.Record)
		s := &situation{row: d.Row, turns: turns, state: *d.State, hosted: true, top: d.Row}
		if !d.Row.Status.Terminal() {
			s.explain()
			return
		}
		s.ended()
		if d.Row.Status == history.Failed {
			if !decide.Failed(turns) {
				t.Errorf("it is Failed, but its history %+v does not say so: it cannot be rewound", turns)
			}
			decide.Survey(turns).Causes()
			(&decide.FailedInstance{Row: d.Row, Records: turns}).Rewind(hub.RewindRequest{}, nil, d.Row.CompletedAt, "x")
		}
	})
}
