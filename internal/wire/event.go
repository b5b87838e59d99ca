package wire

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// event is an event of a merged history on its way: what is read, or written.
type event = hub.MergedEvent

// eventForms says what each kind shows after EventType and Timestamp, in the
// order of the contract's table (docs/contracts/http-api.md 5.3). Kinds that
// are not here are not shown.
var eventForms = map[history.Kind]form[event]{
	history.ExecutionStarted:                  {text("FunctionName", name), input},
	history.TaskScheduled:                     {text("Name", name), input},
	history.TaskCompleted:                     {result},
	history.TaskFailed:                        failed,
	history.SubOrchestrationInstanceCreated:   {text("Name", name), instance, input},
	history.SubOrchestrationInstanceCompleted: {result},
	history.SubOrchestrationInstanceFailed:    failed,
	history.TimerCreated:                      {fireAt},
	history.TimerFired:                        {fireAt},
	history.EventRaised:                       {text("Name", name), input},
	history.EventSent:                         {text("Name", name), instance, input},
	history.ExecutionCompleted:                {status, result, endFailure},
	history.ExecutionTerminated:               {told("Input", func(v View) bool { return v.Input })},
	history.ExecutionSuspended:                {told("Reason", always)},
	history.ExecutionResumed:                  {told("Reason", always)},
	history.ExecutionRewound:                  {told("Reason", always)},
	history.GenericEvent:                      {told("Data", always)},
	history.ContinueAsNew:                     {statusNumber},
}

// unknownForm is what is read of a kind that only a newer host has.
var unknownForm = form[event]{text("Name", name), fireAt, status}

var (
	input    = quoted("Input", func(v View) bool { return v.Input }, func(e *event) *json.RawMessage { return &e.Payload })
	instance = text("InstanceId", func(e *event) *history.InstanceID { return &e.Instance })
	fireAt   = moment("FireAt", Instant, false, func(e *event) *time.Time { return &e.FireAt })

	// result is a JSON value; that of a failed execution is its text.
	result = member[event]{"Result",
		func(e *event, view View) (json.RawMessage, bool) {
			if e.Failure != nil {
				return Quote(e.Failure.String()), view.Results
			}
			return e.Payload, view.Results
		},
		func(e *event, value json.RawMessage) error { e.Payload = value; return nil }}

	status = member[event]{"OrchestrationStatus",
		func(e *event, _ View) (json.RawMessage, bool) { return Quote(e.Status.String()), true },
		func(e *event, value json.RawMessage) error { return json.Unmarshal(value, &e.Status) }}
	statusNumber = member[event]{"OrchestrationStatus",
		func(e *event, _ View) (json.RawMessage, bool) {
			return json.RawMessage(strconv.Itoa(int(e.Status))), true
		},
		status.read}

	// endFailure comes with the failure's text as the result, which it stands
	// for.
	endFailure = member[event]{"FailureDetails",
		func(e *event, _ View) (json.RawMessage, bool) { return failure(e.Failure), e.Failure != nil },
		func(e *event, value json.RawMessage) error { e.Payload = nil; return readFailure(&e.Failure, value) }}

	// failed tells a failure twice; of other makes the details may be missing.
	failed = form[event]{
		text("Reason", func(e *event) *string { return &failureOf(e).Message }),
		text("Details", func(e *event) *string { return &failureOf(e).Stack }),
		{"FailureDetails",
			func(e *event, _ View) (json.RawMessage, bool) { return failure(failureOf(e)), true },
			func(e *event, value json.RawMessage) error { return readFailure(&e.Failure, value) }},
	}
)

func name(e *event) *string { return &e.Name }

// failureOf is the failure of an event, an empty one at first.
func failureOf(e *event) *history.Failure {
	if e.Failure == nil {
		e.Failure = new(history.Failure)
	}
	return e.Failure
}

// quoted is a payload as serialized JSON in a string, or null; left out where
// it is not shown.
func quoted(name string, shown func(View) bool, at func(*event) *json.RawMessage) member[event] {
	return member[event]{name,
		func(e *event, view View) (json.RawMessage, bool) {
			if len(*at(e)) == 0 {
				return nil, shown(view)
			}
			return Quote(string(*at(e))), shown(view)
		},
		func(e *event, value json.RawMessage) error {
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
			if text != "" && text != "null" {
				*at(e) = json.RawMessage(text)
			}
			return nil
		}}
}

// told is a payload that is a text, such as a reason.
func told(name string, shown func(View) bool) member[event] {
	return member[event]{name,
		func(e *event, view View) (json.RawMessage, bool) { return Quote(Unquote(e.Payload)), shown(view) },
		func(e *event, value json.RawMessage) error {
			if string(value) != `""` {
				e.Payload = value
			}
			return nil
		}}
}

// scheduledForm is what a completion takes from its scheduling event, if that
// is known.
var scheduledForm = form[event]{
	moment("ScheduledTime", Instant, false, func(e *event) *time.Time { return &e.Scheduled.At }),
	text("FunctionName", func(e *event) *string { return &e.Scheduled.Name }),
	quoted("Input", func(v View) bool { return v.Input }, func(e *event) *json.RawMessage { return &e.Scheduled.Payload }),
}

// writeEvent returns nil for a kind that is not shown.
func writeEvent(merged *history.Merged, view View) []byte {
	f, ok := eventForms[merged.Kind]
	if !ok {
		return nil
	}
	e := event{Event: *merged.Event}
	if merged.Scheduled != nil {
		scheduled := *merged.Scheduled
		scheduled.At = merged.ScheduledAt
		e.Scheduled = &scheduled
	}
	var o Object
	o.Str("EventType", e.Kind.String()).Str("Timestamp", Instant(e.At))
	if e.Scheduled != nil && e.Kind.Completes() {
		scheduledForm.write(&o, &e, view)
	}
	f.write(&o, &e, view)
	if view.Details {
		writeDetails(&o, &e)
	}
	return o.JSON()
}

// writeDetails adds what the original drops (docs/contracts/http-api.md 5.3):
// clients of others do not expect it, and ours do not need it.
func writeDetails(o *Object, e *event) {
	number := func(n int64) json.RawMessage { return strconv.AppendInt(nil, n, 10) }
	if e.ID != history.NoID {
		o.Raw("EventId", number(int64(e.ID)))
	}
	if e.Kind.Class() != history.Answer {
		return
	}
	o.Raw("TaskScheduledId", number(int64(e.TaskID)))
	if e.Scheduled == nil {
		return
	}
	if e.Scheduled.Instance != "" {
		o.Str("InstanceId", string(e.Scheduled.Instance))
	}
	o.Raw("DurationInMs", number(e.At.Sub(e.Scheduled.At).Milliseconds()))
}

func readEvent(e *event, text []byte) error {
	fields, err := members(text)
	if err != nil {
		return err
	}
	*e = event{Event: history.Event{Kind: history.NoKind, ID: history.NoID}}
	for _, m := range eventHead {
		if value, ok := fields[m.name]; ok {
			if err := m.read(e, value); err != nil {
				return err
			}
		}
	}
	if _, ok := fields["scheduledtime"]; ok && e.Kind.Completes() {
		e.Scheduled = &history.Event{Kind: e.Kind.Answers(), ID: history.NoID}
		if err := scheduledForm.read(e, fields); err != nil {
			return err
		}
		if e.Scheduled.At.IsZero() {
			e.Scheduled = nil
		}
	}
	f, ok := eventForms[e.Kind]
	if !ok {
		f = unknownForm
	}
	return f.read(e, fields)
}

// eventHead is read of every event, by the name in lower case.
var eventHead = []struct {
	name string
	read func(*event, json.RawMessage) error
}{
	{"eventtype", func(e *event, value json.RawMessage) error {
		if kind, err := history.ParseKind(Unquote(value)); err == nil { // else a newer host's
			e.Kind = kind
		}
		return nil
	}},
	{"timestamp", func(e *event, value json.RawMessage) error { return json.Unmarshal(value, &e.At) }},
}
