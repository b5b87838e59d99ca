package httpapi

import (
	"encoding/json"
	"iter"
	"strconv"

	"github.com/perdure/perdure/history"
)

// historyEvents renders the events of a history in the form of spec/http-api.md 5.3:
// frames are dropped, a completion takes its scheduling event's name, time and input
// and its place is the completion's.
func historyEvents(events []history.Event, v view) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for ev := range history.Merge(events) {
			form, ok := eventForms[ev.Kind]
			if !ok {
				continue
			}
			w := &eventWriter{event: ev, view: v}
			w.out.str("EventType", ev.Kind.String()).instant("Timestamp", ev.At)
			w.origin()
			form(w)
			if v.details {
				w.details()
			}
			if !yield(w.out.json()) {
				return
			}
		}
	}
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
	event history.Merged
	view  view
	out   object
}

// origin adds what a completion takes from its scheduling event, if it is known.
func (w *eventWriter) origin() {
	if s := w.event.Scheduled; s != nil && w.event.Kind.Completes() {
		w.out.instant("ScheduledTime", w.event.ScheduledAt).str("FunctionName", s.Name)
		w.payload(s.Payload)
	}
}

// details adds what the original drops (spec/http-api.md 5.3): clients of others
// do not expect it.
func (w *eventWriter) details() {
	scheduled := w.event.Scheduled
	if w.event.ID != history.NoID {
		w.out.raw("EventId", strconv.AppendInt(nil, int64(w.event.ID), 10))
	}
	if w.event.Kind.Class() != history.Answer {
		return
	}
	w.out.raw("TaskScheduledId", strconv.AppendInt(nil, int64(w.event.TaskID), 10))
	if scheduled == nil {
		return
	}
	if scheduled.Instance != "" {
		w.out.str("InstanceId", string(scheduled.Instance))
	}
	w.out.raw("DurationInMs", strconv.AppendInt(nil, w.event.At.Sub(w.event.ScheduledAt).Milliseconds(), 10))
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
