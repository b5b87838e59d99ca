package wire

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Status is the status object of docs/contracts/http-api.md 5.2, with the
// history behind it if that was asked for, as a client reads it.
type Status struct {
	hub.Status
	Events []hub.MergedEvent
	formed bool
}

// Formed reports whether what was read is a status at all: other programs
// answer in JSON too.
func (s *Status) Formed() bool { return s.formed }

// statusForm begins with eight members that are always there: clients insist on
// them.
var statusForm = form[hub.Status]{
	text("name", func(s *hub.Status) *string { return &s.Name }),
	text("instanceId", func(s *hub.Status) *history.InstanceID { return &s.ID }),
	{"runtimeStatus", showStatus,
		func(s *hub.Status, value json.RawMessage) error { return json.Unmarshal(value, &s.Instance.Status) }},
	payload("input", func(v View) bool { return v.Input }, func(s *hub.Status) *json.RawMessage { return &s.Input }),
	payload("customStatus", func(v View) bool { return v.Custom }, func(s *hub.Status) *json.RawMessage { return &s.CustomStatus }),
	payload("output", func(v View) bool { return v.Output }, func(s *hub.Status) *json.RawMessage { return &s.Output }),
	moment("createdTime", Second, false, created),
	moment("lastUpdatedTime", Second, false, updated),
	{"details",
		func(s *hub.Status, view View) (json.RawMessage, bool) {
			if !view.Details {
				return nil, false
			}
			var o Object
			detailsForm.write(&o, s, view)
			return o.JSON(), true
		},
		func(s *hub.Status, value json.RawMessage) error {
			fields, err := members(value)
			if err != nil {
				return err
			}
			return detailsForm.read(s, fields)
		}},
	textIf("error", always, func(s *hub.Status) *string { return &s.Problem }), // ours, and only for what cannot be shown
}

// detailsForm is what only our clients know; members without a value are left
// out.
var detailsForm = form[hub.Status]{
	text("executionId", func(s *hub.Status) *history.ExecutionID { return &s.ExecutionID }),
	moment("createdTime", Instant, false, created),
	moment("lastUpdatedTime", Instant, false, updated),
	textIf("version", always, func(s *hub.Status) *string { return &s.Version }),
	moment("completedTime", Instant, true, func(s *hub.Status) *time.Time { return &s.CompletedAt }),
	moment("scheduledStartTime", Instant, true, func(s *hub.Status) *time.Time { return &s.ScheduledAt }),
	{"parentInstanceId",
		func(s *hub.Status, _ View) (json.RawMessage, bool) {
			if s.Parent == nil {
				return nil, false
			}
			return Quote(string(s.Parent.InstanceID)), true
		},
		func(s *hub.Status, value json.RawMessage) error {
			s.Parent = new(history.Parent)
			return json.Unmarshal(value, &s.Parent.InstanceID)
		}},
	{"tags",
		func(s *hub.Status, _ View) (json.RawMessage, bool) {
			tags, _ := json.Marshal(s.Tags) // strings always encode
			return tags, len(s.Tags) > 0
		},
		func(s *hub.Status, value json.RawMessage) error { return json.Unmarshal(value, &s.Tags) }},
	textIf("failureText", func(v View) bool { return v.Failure }, func(s *hub.Status) *string { return &s.FailureText }),
	{"failureDetails",
		func(s *hub.Status, view View) (json.RawMessage, bool) {
			return failure(s.Failure), s.Failure != nil && view.Output
		},
		func(s *hub.Status, value json.RawMessage) error { return readFailure(&s.Failure, value) }},
}

func created(s *hub.Status) *time.Time { return &s.CreatedAt }
func updated(s *hub.Status) *time.Time { return &s.UpdatedAt }

// showStatus is null for a status that cannot be read: clients refuse a whole
// list for a name that they do not know.
func showStatus(s *hub.Status, _ View) (json.RawMessage, bool) {
	if s.Instance.Status == history.Unknown {
		return nil, true
	}
	return Quote(s.Instance.Status.String()), true
}

// WriteStatus returns the status object, without a history.
func WriteStatus(s *hub.Status, view View) *Object {
	var o Object
	statusForm.write(&o, s, view)
	return &o
}

// UnmarshalJSON reads what [WriteStatus] and [WriteEvents] write, and what
// hosts of other makes do.
func (s *Status) UnmarshalJSON(text []byte) error {
	fields, err := members(text)
	if err != nil {
		return err
	}
	*s = Status{}
	if err := statusForm.read(&s.Status, fields); err != nil {
		return err
	}
	_, dated := fields["createdtime"] // the zero time is a time
	s.formed = s.ID != "" && dated
	if s.Problem != "" && s.Name == "" { // not even the row can be read
		s.Instance.Status = history.Unknown
	}
	if s.Instance.Status == history.Failed && s.FailureText == "" {
		s.FailureText = history.Brief(Unquote(s.Output))
	}
	if events, ok := fields["historyevents"]; ok {
		return json.Unmarshal(events, (*eventList)(&s.Events))
	}
	return nil
}

type eventList []hub.MergedEvent

// UnmarshalJSON reads event by event.
func (l *eventList) UnmarshalJSON(text []byte) error {
	var written []json.RawMessage
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	*l = make(eventList, len(written))
	for i, text := range written {
		if err := readEvent(&(*l)[i], text); err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
		}
	}
	return nil
}

// WriteEvents yields the events of a history as it was recorded, merged, one
// JSON object each.
func WriteEvents(recorded []history.Event, view View) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for ev := range history.Merge(recorded) {
			if text := writeEvent(&ev, view); text != nil && !yield(text) {
				return
			}
		}
	}
}
