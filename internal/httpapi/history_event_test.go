package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/httpapi"
)

// events returns the history of an instance as text: "EventType(keys)".
func (s *site) events(id, query string) []string {
	s.Helper()
	var events []struct {
		EventType                string
		Timestamp, ScheduledTime time.Time
	}
	text := s.status(id, "showHistory=true&"+query)["historyEvents"]
	if text == nil {
		return nil
	}
	if err := json.Unmarshal(text, &events); err != nil {
		s.Fatalf("historyEvents of %s = %s: %v", id, text, err)
	}
	var keys []map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		s.Fatal(err)
	}
	var out []string
	for i, ev := range events {
		line := ev.EventType
		for _, key := range []string{"FunctionName", "Name", "Input", "Result", "Reason", "Details", "OrchestrationStatus"} {
			if value, ok := keys[i][key]; ok {
				line += " " + key + "=" + string(value)
			}
		}
		for _, key := range []string{"ScheduledTime", "FireAt", "EventId", "IsPlayed", "TimerId", "TaskScheduledId"} {
			if _, ok := keys[i][key]; ok {
				line += " " + key
			}
		}
		if keys[i]["Timestamp"] == nil {
			line += " without Timestamp"
		}
		if ev.ScheduledTime.After(ev.Timestamp) {
			line += " before its ScheduledTime"
		}
		out = append(out, line)
	}
	return out
}

func (s *site) wantEvents(id, query string, want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.events(id, query)); diff != "" {
		s.Errorf("history of %s with %s (-want +got):\n%s", id, query, diff)
	}
}

func TestHTTP_65to71_CompletedHistory(t *testing.T) {
	withSite(t, func(s *site) {
		id := s.finish("Chain", "1")
		s.wantEvents(id, "showInput=false",
			`ExecutionStarted FunctionName="Chain"`,
			`TaskCompleted FunctionName="Say" ScheduledTime`, `TaskCompleted FunctionName="Say" ScheduledTime`, `TaskCompleted FunctionName="Say" ScheduledTime`,
			`ExecutionCompleted OrchestrationStatus="Completed"`)
		s.wantEvents(id, "showHistoryOutput=true",
			`ExecutionStarted FunctionName="Chain" Input="1"`,
			`TaskCompleted FunctionName="Say" Input="\"a\"" Result="<a>" ScheduledTime`,
			`TaskCompleted FunctionName="Say" Input="\"b\"" Result="<b>" ScheduledTime`,
			`TaskCompleted FunctionName="Say" Input="\"c\"" Result="<c>" ScheduledTime`,
			`ExecutionCompleted Result="<a><b><c>" OrchestrationStatus="Completed"`)
	})
}

func TestHTTP_72_OpenActivity(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Busy/x", "")
		s.settle()
		s.wantEvents("x", "", `ExecutionStarted FunctionName="Busy" Input=null`, `TaskScheduled Name="Nap" Input="\"x\""`)
	})
}

func TestHTTP_73to77_OtherEvents(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEvents(s.finish("Fail", ""), "showInput=false", `ExecutionStarted FunctionName="Fail"`, `ExecutionCompleted OrchestrationStatus="Failed"`)

		id := s.finish("Breaks", "")
		for _, query := range []string{"showInput=false", "showInput=false&showHistoryOutput=true"} {
			got := s.events(id, query)
			if len(got) != 3 || !strings.HasPrefix(got[1], `TaskFailed FunctionName="Crash" Reason="no paper" Details="`) {
				t.Errorf("history of Breaks with %s = %q, want a TaskFailed with its reason and details", query, got)
			}
		}

		s.wantEvents(s.finish("Slow", ""), "showInput=false", `ExecutionStarted FunctionName="Slow"`, "TimerCreated FireAt", "TimerFired FireAt",
			`ExecutionCompleted OrchestrationStatus="Completed"`)

		s.start("Wait/x", "")
		s.wantEmpty(202, post, base+"/instances/x/raiseEvent/go", `{"a":1}`, "Content-Type", "application/json")
		s.settle()
		s.wantEvents("x", "", `ExecutionStarted FunctionName="Wait" Input=null`, `EventRaised Name="go" Input="{\"a\":1}"`,
			`ExecutionCompleted OrchestrationStatus="Completed"`)

		s.wantEvents(s.finish("Parent", ""), "showInput=false&showHistoryOutput=true", `ExecutionStarted FunctionName="Parent"`,
			`SubOrchestrationInstanceCompleted FunctionName="Echo" Result=7 ScheduledTime`, `ExecutionCompleted Result=7 OrchestrationStatus="Completed"`)
	})
}

func TestHTTP_78_PendingHasNoHistory(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.start("Echo/x", "")
		s.wantEvents("x", "")
	})
}

func TestHTTP_79_OnlyTheLastGeneration(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEvents(s.finish("Loop", "0"), "", `ExecutionStarted FunctionName="Loop" Input="2"`, `ExecutionCompleted OrchestrationStatus="Completed"`)
	})
}

func TestHistoryHasTwoNames(t *testing.T) {
	withSite(t, func(s *site) {
		st := s.status(s.finish("Chain", ""), "showHistory=true")
		if a, b := st["historyEvents"], st["history"]; len(a) == 0 || string(a) != string(b) {
			t.Errorf("historyEvents = %s, history = %s; want the same", a, b)
		}
		if st := s.status(s.finish("Chain", ""), ""); st["history"] != nil {
			t.Errorf("history that was not asked for = %s", st["history"])
		}
	})
}

func TestDetailsOfHistory(t *testing.T) {
	withSite(t, func(s *site) {
		id := s.finish("Parent/p", "")
		var events []struct {
			EventType, InstanceID         string
			EventID, TaskScheduledID      *int
			DurationInMs                  *int
			IsPlayed, TimerID             any
			FunctionName, OrchestrationID string
		}
		if err := json.Unmarshal(s.status(id, "showHistory=true&showDetails=true")["history"], &events); err != nil {
			t.Fatal(err)
		}
		child := events[1]
		if child.EventType != "SubOrchestrationInstanceCompleted" || child.InstanceID == "" || child.TaskScheduledID == nil || child.DurationInMs == nil {
			t.Errorf("details of a child's end = %+v", child)
		}
		s.want(200, get, base+"/instances/"+child.InstanceID, "")
	})
	withSite(t, func(s *site) {
		id := s.start("Slow", "")["id"]
		s.settle()
		if got := string(s.status(id, "showHistory=true&showDetails=true")["history"]); !strings.Contains(got, `"EventType":"TimerCreated"`) || !strings.Contains(got, `"EventId":0`) {
			t.Errorf("history with details = %s, want the timer's EventId", got)
		}
	})
}
