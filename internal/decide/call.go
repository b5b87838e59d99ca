package decide

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file knows calls: who made one, what answers it, and the timers behind
// it.

// ParentOf tells the child of the call task who waits for it.
func ParentOf(row *history.Instance, task int32) *history.Parent {
	return &history.Parent{InstanceID: row.ID, ExecutionID: row.ExecutionID, Name: row.Name, Version: row.Version, TaskID: task, Number: row.Number}
}

// SameCall reports whether child was started by the call that parent tells of.
func SameCall(child, parent *history.Parent) bool {
	return child != nil && child.InstanceID == parent.InstanceID && child.TaskID == parent.TaskID &&
		(child.Number == parent.Number || child.Number == 0 || parent.Number == 0)
}

// CalledBy reports whether a parent is the instance row.
func CalledBy(parent *history.Parent, row *history.Instance) bool {
	return parent != nil && parent.InstanceID == row.ID && parent.Number == row.Number
}

// LabelsOf are the labels of an instance that starts with such a parent.
func LabelsOf(parent *history.Parent) []string {
	if parent == nil || parent.Number == 0 {
		return nil
	}
	return []string{history.ParentLabel(parent.Number)}
}

// childEnded is the event that tells a parent how its child ended.
func childEnded(task int32, at time.Time, status history.RuntimeStatus, payload json.RawMessage, failure *history.Failure) history.Event {
	ev := history.Event{Kind: history.SubOrchestrationInstanceFailed, At: at, TaskID: task, Failure: failure}
	switch status {
	case history.Completed:
		ev.Kind, ev.Payload = history.SubOrchestrationInstanceCompleted, payload
	case history.Terminated:
		ev.Failure = &history.Failure{Type: history.FailureTerminated, Message: ReasonText(payload)}
	}
	return ev
}

// missing answers a call whose child cannot go on since it is not there.
func missing(child history.InstanceID, task int32, at time.Time) history.Event {
	return childEnded(task, at, history.Failed, nil, &history.Failure{
		Type:         history.FailureMissing,
		Message:      fmt.Sprintf("sub-orchestration %q cannot be rewound: it was purged or replaced, or never was a child of this call", child),
		NonRetriable: true,
	})
}

// answers reports whether done ends what scheduled began. A timer is known by
// its time too: a timer that an earlier execution gave up may still ring.
func answers(done, scheduled *history.Event) bool {
	return scheduled.Kind == done.Kind.Answers() &&
		(done.Kind != history.TimerFired || ceilMicro(scheduled.FireAt).Equal(done.FireAt))
}

// TimerOf is the row of the timer index behind a TimerCreated event.
func TimerOf(row *history.Instance, created *history.Event) store.Timer {
	return store.Timer{Due: ceilMicro(created.FireAt), Number: row.Number, ID: created.ID, Instance: row.ID}
}

// WakeTimer is the timer that wakes a scheduled start.
func WakeTimer(row *history.Instance) store.Timer {
	return store.Timer{Due: ceilMicro(row.ScheduledAt), Number: row.Number, ID: history.NoID, Instance: row.ID}
}

// ceilMicro rounds up to what the timer index holds, so that nothing is early.
func ceilMicro(t time.Time) time.Time {
	if cut := t.Truncate(time.Microsecond); cut.Before(t) {
		return cut.Add(time.Microsecond)
	}
	return t
}

// InOrder returns scheduling events by their sequence id.
func InOrder(open map[int32]*history.Event) []*history.Event {
	events := make([]*history.Event, 0, len(open))
	for _, ev := range open {
		events = append(events, ev)
	}
	slices.SortFunc(events, func(a, b *history.Event) int { return cmp.Compare(a.ID, b.ID) })
	return events
}

// LastEvent returns the newest event of a history, nil when it has none.
func LastEvent(records []history.Turn) *history.Event {
	if len(records) == 0 || len(records[len(records)-1].Events) == 0 {
		return nil
	}
	events := records[len(records)-1].Events
	return &events[len(events)-1]
}

// Failed reports whether records are those of an execution that failed.
func Failed(records []history.Turn) bool {
	ended := LastEvent(records)
	return ended != nil && ended.Kind == history.ExecutionCompleted && ended.Status == history.Failed
}

// ReasonPayload is a reason as it is stored; nil for none.
func ReasonPayload(reason string) json.RawMessage {
	if reason == "" {
		return nil
	}
	payload, _ := json.Marshal(reason) // a string always has a JSON form
	return payload
}

// ReasonText is a reason as a person wrote it.
func ReasonText(reason json.RawMessage) string {
	var text string
	if json.Unmarshal(reason, &text) == nil {
		return text
	}
	return string(reason)
}
