package engine

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestExplanations: every state an instance can be in, and what is said of it.
func TestExplanations(t *testing.T) {
	at := dawn.Add(time.Hour)
	open := func(events ...history.Event) func(*situation) {
		return func(s *situation) {
			s.state.Open = make(map[int32]*history.Event)
			for i := range events {
				events[i].ID = int32(i)
				s.state.Open[int32(i)] = &events[i]
			}
		}
	}
	both := func(fs ...func(*situation)) func(*situation) {
		return func(s *situation) {
			for _, f := range fs {
				f(s)
			}
		}
	}
	task := history.Event{Kind: history.TaskScheduled, Name: "Charge"}
	kid := history.Event{Kind: history.SubOrchestrationInstanceCreated, Name: "Kid", Instance: "kid"}
	timer := history.Event{Kind: history.TimerCreated, FireAt: at}
	held := func(err error) *Hold { return &Hold{Reason: err.Error(), cause: err, RetryAt: at, Attempts: 2} }
	withKid := func(c child) func(*situation) {
		return func(s *situation) { s.children = map[history.InstanceID]child{"kid": c} }
	}
	for _, tt := range []struct {
		name                          string
		make                          func(*situation)
		action, target, summary, tell string
	}{
		{"no host", func(s *situation) { s.hosted = false }, "start", "i 1", "No host runs", "Start the function app"},
		{"no host, suspended", func(s *situation) {
			s.hosted, s.row.Status, s.row.Reason = false, history.Suspended, json.RawMessage(`"audit"`)
		}, "resume", "i 1", "suspended: audit. Nor does a host run", "perdure resume --id 'i 1', and start"},
		{"no host, resumed", func(s *situation) { s.hosted, s.row.Status, s.inbox, s.resumed = false, history.Suspended, 1, true }, "start", "i 1", "No host runs", "Start the function app"},
		{"unknown", func(s *situation) { s.held = held(history.ErrUnregistered) }, "deploy", "i 1", `does not know the orchestrator "Order"`, "Deploy"},
		{"parked", func(s *situation) { s.held = held(history.ErrParked) }, "deploy", "i 1", "no longer fits its history", "Deploy"},
		{"held", func(s *situation) { s.held = held(errors.New("disk on fire")) }, "wait", "i 1", "disk on fire", "2026-01-01T01:00:00Z"},
		{"suspended", func(s *situation) { s.row.Status, s.row.Reason = history.Suspended, json.RawMessage(`"audit"`) }, "resume", "i 1", "suspended: audit", "perdure resume --id 'i 1'"},
		{"put aside", func(s *situation) { s.held = held(&deathError{deaths: 5, aside: true}) }, "resume", "i 1", "put aside", "perdure resume --id 'i 1'"},
		{"stuck", func(s *situation) { s.stuck = &stuck{function: "Order", since: at} }, "terminate", "i 1", "does not come back", "perdure terminate --id 'i 1' ends"},
		{"resumed", func(s *situation) { s.row.Status, s.inbox, s.resumed = history.Suspended, 1, true }, "wait", "i 1", "next turn", "Wait"},
		{"scheduled", func(s *situation) { s.state.Turns, s.row.ScheduledAt = 0, at }, "wait", "i 1", "scheduled to start at 2026-01-01T01:00:00Z", "Wait"},
		{"inbox", func(s *situation) { s.inbox = 1 }, "wait", "i 1", "next turn", "Wait"},
		{"busy", func(s *situation) { s.busy = true }, "wait", "i 1", "next turn", "Wait"},
		{"activity", open(task), "wait", "i 1", `activity "Charge"`, "Wait"},
		{"unknown activity", both(open(task), func(s *situation) { s.tasks = map[int32]attempt{0: {held: held(history.ErrUnregistered)}} }), "deploy", "i 1", `"Charge", which the host does not know`, "Deploy"},
		{"held activity", both(open(task), func(s *situation) { s.tasks = map[int32]attempt{0: {held: held(errors.New("no route"))}} }), "wait", "i 1", "no route", "tried again"},
		{"timer", open(timer), "wait", "i 1", "due at 2026-01-01T01:00:00Z", "Wait until then"},
		{"event", func(s *situation) { s.awaits = []history.Await{{Event: "Go", Timer: history.NoID}} }, "raise-event", "i 1", `event "Go"`, "perdure raise-event --id 'i 1' --event-name Go"},
		{"event until", both(open(timer), func(s *situation) { s.awaits = []history.Await{{Event: "Go", Until: at}} }), "raise-event", "i 1", `"Go" until 2026-01-01T01:00:00Z`, "--event-name Go"},
		{"event and activity", both(open(task), func(s *situation) { s.awaits = []history.Await{{Event: "Go"}} }), "wait", "i 1", `activity "Charge"`, "Wait"},
		{"child at work", both(open(kid), withKid(child{true, hub.Explanation{Action: "wait"}})), "wait", "i 1", `child "kid"`, "Wait"},
		{"child suspended", both(open(kid), withKid(child{true, hub.Explanation{Action: "resume", Target: "grandkid", Status: history.Running, Advice: "perdure resume --id grandkid"}})), "resume", "grandkid", `child "kid" (Running)`, "perdure resume --id grandkid"},
		{"child ended", both(open(kid), withKid(child{true, hub.Explanation{Action: "none", Status: history.Completed}})), "wait", "i 1", `child "kid"`, "Wait"},
		{"child missing", both(open(kid), withKid(child{})), "terminate", "i 1", "not in this hub", "perdure terminate --id 'i 1'"},
		{"not known", func(s *situation) { s.unknown = errors.New("its code runs right now") }, "wait", "i 1", "its code runs right now", "Try again"},
		{"not known, unknown", func(s *situation) { s.unknown = history.ErrUnregistered }, "deploy", "i 1", `does not know the orchestrator "Order"`, "Deploy"},
		{"nothing", func(*situation) {}, "terminate", "i 1", "nothing can end", "perdure terminate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &situation{row: history.Instance{ID: "i 1", Name: "Order"}, now: dawn, hosted: true}
			s.state.Turns = 1
			tt.make(s)
			got := s.explain()
			advice.Render(&got)
			if got.Action != tt.action || string(got.Target) != tt.target || !strings.Contains(got.Summary, tt.summary) || !strings.Contains(got.Advice, tt.tell) {
				t.Errorf("explain() = %q of %q, %q, %q; want %q of %q, %q, %q", got.Action, got.Target, got.Summary, got.Advice, tt.action, tt.target, tt.summary, tt.tell)
			}
		})
	}
}

// TestSetbacks: which failure a timer follows, by the history of a turn.
func TestSetbacks(t *testing.T) {
	out := &history.Failure{Type: "E", Message: "out of stock"}
	scheduled := func(id, attempt int32) history.Event {
		return history.Event{Kind: history.TaskScheduled, ID: id, Name: "Charge", Attempt: attempt}
	}
	failed := func(id int32) history.Event {
		return history.Event{Kind: history.TaskFailed, ID: history.NoID, TaskID: id, Failure: out}
	}
	set := func(id int32) history.Event { return history.Event{Kind: history.TimerCreated, ID: id} }
	kid := history.Event{Kind: history.SubOrchestrationInstanceCreated, ID: 0, Name: "Kid", Instance: "kid"}
	for _, tt := range []struct {
		name  string
		turns [][]history.Event
		want  map[int32]string
	}{
		{"a retry", [][]history.Event{{scheduled(0, 2)}, {failed(0), set(1)}}, map[int32]string{1: `attempt 2 of the activity "Charge" failed: E: out of stock`}},
		{"two at once", [][]history.Event{{scheduled(0, 1), scheduled(1, 3)}, {failed(1), failed(0), set(2), set(3)}},
			map[int32]string{2: `attempt 3 of the activity "Charge" failed: E: out of stock`, 3: `attempt 1 of the activity "Charge" failed: E: out of stock`}},
		{"a rewind is an attempt", [][]history.Event{{scheduled(0, 1)}, {{Kind: history.ExecutionRewound, Tasks: []int32{0}}}, {failed(0), set(1)}}, map[int32]string{1: `attempt 2 of the activity "Charge" failed: E: out of stock`}},
		{"a child", [][]history.Event{{kid}, {{Kind: history.SubOrchestrationInstanceFailed, TaskID: 0, Failure: out}, set(1)}}, map[int32]string{1: `the child "kid" failed: E: out of stock`}},
		{"one failure, two timers", [][]history.Event{{scheduled(0, 1)}, {failed(0), set(1), set(2)}}, nil},
		{"another turn's failure", [][]history.Event{{scheduled(0, 1)}, {failed(0)}, {set(1)}}, nil},
	} {
		var turns []history.Turn
		for i, events := range tt.turns {
			turns = append(turns, history.Turn{Seq: uint32(i + 1), At: dawn.Add(time.Duration(i+1) * time.Second), Events: events})
		}
		got := make(map[int32]string)
		for id, b := range decide.Setbacks(turns) {
			got[id] = tellSetback(&b)
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: setbacks = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWaitsOfAnExplanation(t *testing.T) {
	s := &situation{hosted: true, slots: 3, awaits: []history.Await{{Event: "Go", Until: dawn, Timer: 1}}, tasks: map[int32]attempt{0: {}, 2: {running: true}}}
	s.state.Open = map[int32]*history.Event{
		0: {ID: 0, Kind: history.TaskScheduled, Name: "A", Attempt: 3}, 1: {ID: 1, Kind: history.TimerCreated},
		2: {ID: 2, Kind: history.TaskScheduled, Name: "B"},
	}
	waits := s.waits()
	if len(waits) != 3 || waits[0].Kind != "event" || !waits[0].Due.Equal(dawn) {
		t.Fatalf("waits() = %+v, want an event with its deadline and two activities", waits)
	}
	if a := waits[1]; a.Attempts != 2 || a.Running || !strings.Contains(a.Problem, "3 slots") {
		t.Errorf("the queued one = %+v, want 2 failed attempts and the slots", a)
	}
	if b := waits[2]; !b.Running || b.Problem != "" {
		t.Errorf("the running one = %+v", b)
	}
}
