package main

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// eventForm is how payloads and statuses of events look: JSON in strings and
// numbers in the original, JSON and names in ours.
type eventForm struct {
	id     string // of the instance
	legacy bool
	merged bool // a completion tells what it completes
}

// event is one event as get-history shows it: the type's own members, then what
// every event has (docs/contracts/cli.md 3.2). A merged one has neither ids nor
// frames.
func (f eventForm) event(e *client.Event) object {
	var o object
	ev := &e.RecordedEvent
	if members, ok := eventMembers[ev.Kind]; ok {
		o = members(f, ev)
	}
	if f.merged {
		o = slices.DeleteFunc(o, func(m member) bool { return slices.Contains(unmerged, m.key) })
		if s := e.Scheduled; s != nil {
			o = append(object{{"Name", s.Name}, {"Input", f.payload(s.Payload)}, {"ScheduledTime", instant(s.At)}}, o...)
		}
		return o.with("EventType", ev.Kind.String()).with("Timestamp", instant(ev.At))
	}
	return o.with("EventType", ev.Kind.String()).with("EventId", ev.ID).with("IsPlayed", false).with("Timestamp", instant(ev.At))
}

// unmerged are the members that a merged history does not know.
var unmerged = []string{"TaskScheduledId", "TimerId", "OrchestrationInstance", "ParentInstance", "Version", "Tags"}

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

// eventRow is an event in a table; a merged one tells how long what it
// completes has taken.
func eventRow(e *client.Event, merged bool) row {
	ev := &e.RecordedEvent
	detail, name, took := string(ev.Payload), ev.Name, ""
	switch {
	case ev.Failure != nil:
		detail = ev.Failure.String()
	case !ev.FireAt.IsZero():
		detail = moment(ev.FireAt)
	}
	if e.Scheduled != nil {
		name = e.Scheduled.Name
		took = max(0, ev.At.Sub(e.Scheduled.At)).Round(time.Millisecond).String()
	}
	if !merged {
		return row{moment(ev.At), ev.Kind.String(), name, detail}
	}
	return row{moment(ev.At), ev.Kind.String(), name, took, detail}
}

func eventHead(merged bool) row {
	if !merged {
		return row{"TIMESTAMP", "EVENT", "NAME", "DETAIL"}
	}
	return row{"TIMESTAMP", "EVENT", "NAME", "TOOK", "DETAIL"}
}

// moment is UTC to the millisecond.
func moment(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
