package main

import (
	"encoding/json"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/history"
)

// eventForm is how payloads and statuses of events look: JSON in strings and
// numbers in the original, JSON and names in ours.
type eventForm struct {
	id     string // of the instance
	legacy bool
}

// event is one event as get-history shows it: the type's own members, then what
// every event has (spec/cli.md 3.2).
func (f eventForm) event(ev *history.Event) object {
	var o object
	if members, ok := eventMembers[ev.Kind]; ok {
		o = members(f, ev)
	}
	return o.with("EventType", ev.Kind.String()).with("EventId", ev.ID).with("IsPlayed", false).with("Timestamp", instant(ev.At))
}

// eventMembers are the members of each kind of event. Kinds without any are not
// in it.
var eventMembers = map[history.Kind]func(eventForm, *history.Event) object{
	history.ExecutionStarted: eventForm.started,
	history.ExecutionCompleted: func(f eventForm, ev *history.Event) object {
		return object{{"OrchestrationStatus", f.status(ev.Status)}, {"Result", f.result(ev)}}
	},
	history.ContinueAsNew: func(f eventForm, ev *history.Event) object {
		return object{{"OrchestrationStatus", f.status(ev.Status)}, {"Result", f.payload(ev.Payload)}}
	},
	history.ExecutionTerminated: func(f eventForm, ev *history.Event) object { return object{{"Input", f.payload(ev.Payload)}} },
	history.ExecutionSuspended:  eventForm.reason,
	history.ExecutionResumed:    eventForm.reason,
	history.ExecutionRewound:    eventForm.reason,
	history.TaskScheduled:       eventForm.call,
	history.SubOrchestrationInstanceCreated: func(f eventForm, ev *history.Event) object {
		return f.call(ev).with("InstanceId", ev.Instance)
	},
	history.TaskCompleted:                     eventForm.completed,
	history.SubOrchestrationInstanceCompleted: eventForm.completed,
	history.TaskFailed:                        eventForm.failed,
	history.SubOrchestrationInstanceFailed:    eventForm.failed,
	history.TimerCreated: func(_ eventForm, ev *history.Event) object {
		return object{{"FireAt", instant(ev.FireAt)}}
	},
	history.TimerFired: func(_ eventForm, ev *history.Event) object {
		return object{{"TimerId", ev.TaskID}, {"FireAt", instant(ev.FireAt)}}
	},
	history.EventRaised: func(f eventForm, ev *history.Event) object {
		return object{{"Name", ev.Name}, {"Input", f.payload(ev.Payload)}}
	},
	history.EventSent: func(f eventForm, ev *history.Event) object {
		return object{{"InstanceId", ev.Instance}, {"Name", ev.Name}, {"Input", f.payload(ev.Payload)}}
	},
	history.GenericEvent: func(f eventForm, ev *history.Event) object { return object{{"Data", f.payload(ev.Payload)}} },
}

func (f eventForm) started(ev *history.Event) object {
	execution, parent, tags := "", any(nil), map[string]string(nil)
	if s := ev.Started; s != nil {
		execution, tags = string(s.ExecutionID), s.Tags
		if p := s.Parent; p != nil {
			parent = object{
				{"Name", p.Name}, {"OrchestrationInstance", legacyInstance{string(p.InstanceID), string(p.ExecutionID)}},
				{"TaskScheduleId", p.TaskID}, {"Version", p.Version},
			}
		}
	}
	return object{{"OrchestrationInstance", legacyInstance{f.id, execution}}, {"ParentInstance", parent}}.
		concat(f.call(ev)).with("Tags", tags)
}

func (f eventForm) call(ev *history.Event) object {
	return object{{"Name", ev.Name}, {"Version", ev.Version}, {"Input", f.payload(ev.Payload)}}
}

func (f eventForm) completed(ev *history.Event) object {
	return object{{"TaskScheduledId", ev.TaskID}, {"Result", f.payload(ev.Payload)}}
}

func (f eventForm) failed(ev *history.Event) object {
	failure := ev.Failure
	if failure == nil {
		failure = &history.Failure{}
	}
	return object{{"TaskScheduledId", ev.TaskID}, {"Reason", failure.Message}, {"Details", failure.Stack}}
}

func (f eventForm) reason(ev *history.Event) object { return object{{"Reason", f.payload(ev.Payload)}} }

// result is what the execution returned, or why it failed.
func (f eventForm) result(ev *history.Event) any {
	if ev.Failure != nil {
		return ev.Failure.String()
	}
	return f.payload(ev.Payload)
}

func (f eventForm) payload(payload json.RawMessage) any {
	if f.legacy {
		return jsonText(payload)
	}
	return payload
}

func (f eventForm) status(status client.RuntimeStatus) any {
	if f.legacy {
		return int(status)
	}
	return status
}

// eventRow is an event in a table.
func eventRow(ev *history.Event) row {
	detail := string(ev.Payload)
	switch {
	case ev.Failure != nil:
		detail = ev.Failure.String()
	case !ev.FireAt.IsZero():
		detail = second(ev.FireAt)
	}
	return row{instant(ev.At), ev.Kind.String(), ev.Name, detail}
}

var eventHead = row{"TIMESTAMP", "EVENT", "NAME", "DETAIL"}
