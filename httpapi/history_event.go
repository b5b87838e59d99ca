package httpapi

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/perdure/perdure/history"
)

// historyEvents renders a history in the form of spec/http-api.md 5.3: frames
// are dropped, a completion takes its scheduling event's name, time and input
// and its place is the completion's.
func historyEvents(events []history.Event, v view) json.RawMessage {
	scheduled := map[int32]*history.Event{}
	for i, ev := range events {
		if ev.Kind.Scheduling() {
			scheduled[ev.ID] = &events[i]
		}
	}
	answered := map[int32]bool{}
	for _, ev := range events {
		if completion(ev.Kind) && scheduled[ev.TaskID] != nil {
			answered[ev.TaskID] = true
		}
	}
	out := []byte{'['}
	for _, ev := range events {
		form, ok := eventForms[ev.Kind]
		if !ok || mergeable(ev.Kind) && answered[ev.ID] {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		w := &eventWriter{event: ev, view: v}
		w.out.str("EventType", ev.Kind.String()).instant("Timestamp", ev.At)
		if completion(ev.Kind) {
			w.origin(scheduled[ev.TaskID])
		}
		form(w)
		if v.details {
			w.details(scheduled[ev.TaskID])
		}
		out = append(out, w.out.json()...)
	}
	return append(out, ']')
}

// completion reports whether an event of this kind swallows its scheduling event.
func completion(k history.Kind) bool {
	switch k {
	case history.TaskCompleted, history.TaskFailed, history.SubOrchestrationInstanceCompleted, history.SubOrchestrationInstanceFailed:
		return true
	}
	return false
}

// mergeable reports whether an event of this kind is swallowed by its completion.
func mergeable(k history.Kind) bool {
	return k == history.TaskScheduled || k == history.SubOrchestrationInstanceCreated
}

// eventForms says what each kind shows after EventType and Timestamp, in the
// order of the contract's table. Kinds that are not here are not shown.
var eventForms = map[history.Kind]func(*eventWriter){
	history.ExecutionStarted: func(w *eventWriter) { w.out.str("FunctionName", w.event.Name); w.input() },
	history.TaskScheduled:    func(w *eventWriter) { w.name(); w.input() },
	history.TaskCompleted:    func(w *eventWriter) { w.result() },
	history.TaskFailed:       func(w *eventWriter) { w.failure() },
	history.SubOrchestrationInstanceCreated: func(w *eventWriter) {
		w.name()
		w.instance()
		w.input()
	},
	history.SubOrchestrationInstanceCompleted: func(w *eventWriter) { w.result() },
	history.SubOrchestrationInstanceFailed:    func(w *eventWriter) { w.failure() },
	history.TimerCreated:                      func(w *eventWriter) { w.out.instant("FireAt", w.event.FireAt) },
	history.TimerFired:                        func(w *eventWriter) { w.out.instant("FireAt", w.event.FireAt) },
	history.EventRaised:                       func(w *eventWriter) { w.name(); w.input() },
	history.EventSent: func(w *eventWriter) {
		w.name()
		w.instance()
		w.input()
	},
	history.ExecutionCompleted: func(w *eventWriter) {
		w.out.str("OrchestrationStatus", w.event.Status.String())
		w.result()
		if w.event.Failure != nil {
			w.out.raw("FailureDetails", failureDetails(w.event.Failure))
		}
	},
	history.ExecutionTerminated: func(w *eventWriter) {
		if w.view.input {
			w.out.str("Input", unquote(w.event.Payload))
		}
	},
	history.ExecutionSuspended: func(w *eventWriter) { w.reason() },
	history.ExecutionResumed:   func(w *eventWriter) { w.reason() },
	history.ExecutionRewound:   func(w *eventWriter) { w.reason() },
	history.GenericEvent:       func(w *eventWriter) { w.out.str("Data", unquote(w.event.Payload)) },
	history.ContinueAsNew: func(w *eventWriter) {
		w.out.raw("OrchestrationStatus", json.RawMessage(strconv.Itoa(int(w.event.Status))))
	},
}

// eventWriter writes the members of one event.
type eventWriter struct {
	event history.Event
	view  view
	out   object
}

// origin adds what a completion takes from its scheduling event, if it is known.
func (w *eventWriter) origin(scheduled *history.Event) {
	if scheduled == nil {
		return
	}
	w.out.instant("ScheduledTime", w.begin(scheduled)).str("FunctionName", scheduled.Name)
	w.payload(scheduled.Payload)
}

// begin returns when a completion's task was scheduled, which is not after its end.
// Turns have times of their own, each later than the one before: ahead of the
// clock, by which tasks end, where that stands still or was set back.
func (w *eventWriter) begin(scheduled *history.Event) time.Time {
	if scheduled.At.After(w.event.At) {
		return w.event.At
	}
	return scheduled.At
}

// details adds what the original drops (spec/http-api.md 5.3): clients of others
// do not expect it.
func (w *eventWriter) details(scheduled *history.Event) {
	if w.event.ID != history.NoID {
		w.out.raw("EventId", strconv.AppendInt(nil, int64(w.event.ID), 10))
	}
	if !completion(w.event.Kind) && w.event.Kind != history.TimerFired {
		return
	}
	w.out.raw("TaskScheduledId", strconv.AppendInt(nil, int64(w.event.TaskID), 10))
	if scheduled == nil {
		return
	}
	if scheduled.Instance != "" {
		w.out.str("InstanceId", string(scheduled.Instance))
	}
	w.out.raw("DurationInMs", strconv.AppendInt(nil, w.event.At.Sub(w.begin(scheduled)).Milliseconds(), 10))
}

func (w *eventWriter) name()     { w.out.str("Name", w.event.Name) }
func (w *eventWriter) instance() { w.out.str("InstanceId", string(w.event.Instance)) }
func (w *eventWriter) input()    { w.payload(w.event.Payload) }
func (w *eventWriter) reason()   { w.out.str("Reason", unquote(w.event.Payload)) }

// payload adds Input: serialized JSON in a string, or null.
func (w *eventWriter) payload(text json.RawMessage) {
	switch {
	case !w.view.input:
	case len(text) == 0:
		w.out.raw("Input", nil)
	default:
		w.out.str("Input", string(text))
	}
}

// result adds Result as a JSON value; that of a failed execution is its text.
func (w *eventWriter) result() {
	switch {
	case !w.view.results:
	case w.event.Failure != nil:
		w.out.str("Result", w.event.Failure.String())
	default:
		w.out.raw("Result", w.event.Payload)
	}
}

func (w *eventWriter) failure() {
	f := w.event.Failure
	if f == nil {
		f = &history.Failure{}
	}
	w.out.str("Reason", f.Message).str("Details", f.Stack).raw("FailureDetails", failureDetails(f))
}

// failureDetails is the object of that name, null for none.
func failureDetails(f *history.Failure) json.RawMessage {
	if f == nil {
		return nil
	}
	var stack json.RawMessage
	if f.Stack != "" {
		stack = quote(f.Stack)
	}
	return (&object{}).str("ErrorType", f.Type).str("ErrorMessage", f.Message).raw("StackTrace", stack).
		raw("InnerFailure", failureDetails(f.Inner)).raw("IsNonRetriable", json.RawMessage(strconv.FormatBool(f.NonRetriable))).
		raw("Properties", nil).json()
}
