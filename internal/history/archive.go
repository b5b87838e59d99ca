package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Archive is one instance with the history of its current execution. Its JSON
// form can be stored anywhere and loses nothing, also when it is indented or
// compacted on the way:
//
//	{"format": "perdure-instance/1",
//	 "instance": {"id": "a1", "status": "Completed", ...},
//	 "turns": [
//	  {"seq": 1, "events": [{"eventType": "ExecutionStarted", "eventId": -1, "timestamp": ...}]},
//	  {"seq": 2, "at": "2026-03-04T12:00:00.1234567Z", "events": [...]}]}
//
// Names are those of the Go fields in camelCase, but for an event's type, id
// and time. Left out are nil and zero values. A payload stands there as the
// JSON that it is; one that JSON tools may write in another way (with spaces,
// for instance) stands as text in a field of its own, its name followed by
// Text. Text that is no valid UTF-8 is {"base64": ...}.
type Archive struct {
	Instance Instance
	Turns    []Turn // as recorded, start record included
}

const (
	archiveFormat  = "perdure-instance/"
	archiveVersion = "1" // grows when a build that knows only this one would misread what is written
)

// MarshalJSON writes the form that [Archive] describes. It fails on what JSON
// cannot say: a time beyond the year 9999, a tag's name that is no text.
func (a Archive) MarshalJSON() ([]byte, error) {
	var out []byte
	for part, err := range a.Parts() {
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// Parts yields the JSON form piece by piece, a turn at a time, for archives
// that are large. What [Archive.MarshalJSON] would fail on ends it.
func (a Archive) Parts() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		head, err := json.Marshal(&wireArchive{Format: archiveFormat + archiveVersion, Instance: wireInstanceOf(&a.Instance)})
		if err != nil || a.Turns == nil {
			yield(head, err)
			return
		}
		if !yield(append(bytes.TrimSuffix(head, []byte("null}")), '['), nil) {
			return
		}
		for i := range a.Turns {
			if i > 0 && !yield([]byte{','}, nil) {
				return
			}
			turn, err := json.Marshal(wireTurnOf(&a.Turns[i]))
			if !yield(turn, err) || err != nil {
				return
			}
		}
		yield([]byte("]}"), nil)
	}
}

// UnmarshalJSON reads what [Archive.MarshalJSON] wrote. It refuses fields it
// does not know, a newer format, and event types and statuses without meaning
// here; it does not ask whether the history makes sense.
func (a *Archive) UnmarshalJSON(b []byte) error {
	if err := checkArchiveFormat(b); err != nil {
		return err
	}
	var wire wireArchive
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&wire); err != nil {
		return fmt.Errorf("archive: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	instance, err := wire.Instance.instance()
	if err != nil {
		return fmt.Errorf("archive: instance: %w", err)
	}
	var turns []Turn
	if wire.Turns != nil {
		turns = make([]Turn, len(wire.Turns))
	}
	for i := range wire.Turns {
		if turns[i], err = wire.Turns[i].turn(); err != nil {
			return fmt.Errorf("archive: turn %d, %w", i+1, err)
		}
	}
	a.Instance, a.Turns = instance, turns
	return nil
}

func checkArchiveFormat(b []byte) error {
	var head struct {
		Format *string `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("archive: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if head.Format == nil {
		return fmt.Errorf("archive: it has no format; an exported instance begins with {\"format\":%q", archiveFormat+archiveVersion)
	}
	version, ours := strings.CutPrefix(*head.Format, archiveFormat)
	switch {
	case !ours:
		return fmt.Errorf("archive: format %.64q is not that of an exported instance, %q", *head.Format, archiveFormat+archiveVersion)
	case version != archiveVersion:
		return fmt.Errorf("archive: format %.64q is not known, this build reads %q: use a newer build", *head.Format, archiveFormat+archiveVersion)
	}
	return nil
}

// The types below are the form of the JSON. Fields may be added to them as long
// as their absence means what it meant before; anything else needs the next
// format version.

type wireArchive struct {
	Format   string       `json:"format"`
	Instance wireInstance `json:"instance"`
	Turns    []wireTurn   `json:"turns"`
}

type wireInstance struct {
	Number           Number          `json:"number,string,omitzero"`
	ID               text            `json:"id"`
	ExecutionID      text            `json:"executionId"`
	Name             text            `json:"name"`
	Version          text            `json:"version,omitzero"`
	Status           string          `json:"status"`
	CreatedAt        time.Time       `json:"createdAt"`
	UpdatedAt        time.Time       `json:"updatedAt,omitzero"`
	CompletedAt      time.Time       `json:"completedAt,omitzero"`
	ScheduledAt      time.Time       `json:"scheduledAt,omitzero"`
	CustomStatus     json.RawMessage `json:"customStatus,omitzero"`
	CustomStatusText *text           `json:"customStatusText,omitzero"`
	Reason           json.RawMessage `json:"reason,omitzero"`
	ReasonText       *text           `json:"reasonText,omitzero"`
	Parent           *wireParent     `json:"parent,omitzero"`
	Tags             wireTags        `json:"tags,omitzero"`
	Generation       int32           `json:"generation,omitzero"`
	Events           int32           `json:"events,omitzero"`
	Labels           []text          `json:"labels,omitzero"`
}

type wireTurn struct {
	Seq      uint32      `json:"seq"`
	At       time.Time   `json:"at,omitzero"`
	Events   []wireEvent `json:"events"`
	Canceled []int32     `json:"canceled,omitzero"`
}

type wireEvent struct {
	Type          string          `json:"eventType"`
	ID            *int32          `json:"eventId"` // absent: NoID
	At            time.Time       `json:"timestamp"`
	Name          text            `json:"name,omitzero"`
	Version       text            `json:"version,omitzero"`
	Payload       json.RawMessage `json:"payload,omitzero"`
	PayloadText   *text           `json:"payloadText,omitzero"`
	TaskID        *int32          `json:"taskId,omitzero"` // absent: 0
	FireAt        time.Time       `json:"fireAt,omitzero"`
	Instance      text            `json:"instance,omitzero"`
	Status        string          `json:"status,omitzero"` // absent: Running, which is no end
	Failure       *wireFailure    `json:"failure,omitzero"`
	Attempt       int32           `json:"attempt,omitzero"`
	FireAndForget bool            `json:"fireAndForget,omitzero"`
	Key           text            `json:"key,omitzero"`
	Started       *wireStarted    `json:"started,omitzero"`
	Tasks         []int32         `json:"tasks,omitzero"`
	Recursive     bool            `json:"recursive,omitzero"`
}

type wireStarted struct {
	ExecutionID text        `json:"executionId,omitzero"`
	Parent      *wireParent `json:"parent,omitzero"`
	Tags        wireTags    `json:"tags,omitzero"`
	ScheduledAt time.Time   `json:"scheduledAt,omitzero"`
	Generation  int32       `json:"generation,omitzero"`
	Keys        []text      `json:"keys,omitzero"`
	KeyTimes    []time.Time `json:"keyTimes,omitzero"`
	Before      Number      `json:"before,string,omitzero"`
}

type wireParent struct {
	InstanceID  text   `json:"instanceId"`
	ExecutionID text   `json:"executionId,omitzero"`
	Name        text   `json:"name,omitzero"`
	Version     text   `json:"version,omitzero"`
	TaskID      int32  `json:"taskId"`
	Number      Number `json:"number,string,omitzero"`
}

type wireFailure struct {
	Type         text         `json:"type,omitzero"`
	Message      text         `json:"message"`
	Stack        text         `json:"stack,omitzero"`
	Inner        *wireFailure `json:"inner,omitzero"`
	NonRetriable bool         `json:"nonRetriable,omitzero"`
}

func wireInstanceOf(r *Instance) wireInstance {
	w := wireInstance{
		Number: r.Number, ID: text(r.ID), ExecutionID: text(r.ExecutionID), Name: text(r.Name), Version: text(r.Version),
		Status: r.Status.String(), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), CompletedAt: r.CompletedAt.UTC(),
		ScheduledAt: r.ScheduledAt.UTC(), Parent: wireParentOf(r.Parent), Tags: wireTagsOf(r.Tags),
		Generation: r.Generation, Events: r.Events, Labels: convertList[text](r.Labels),
	}
	w.CustomStatus, w.CustomStatusText = splitPayload(r.CustomStatus)
	w.Reason, w.ReasonText = splitPayload(r.Reason)
	return w
}

func (w *wireInstance) instance() (Instance, error) {
	r := Instance{
		Number: w.Number, ID: InstanceID(w.ID), ExecutionID: ExecutionID(w.ExecutionID), Name: string(w.Name), Version: string(w.Version),
		CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC(), CompletedAt: w.CompletedAt.UTC(),
		ScheduledAt: w.ScheduledAt.UTC(), Parent: w.Parent.parent(), Tags: w.Tags.tags(),
		Generation: w.Generation, Events: w.Events, Labels: convertList[string](w.Labels),
	}
	var err error
	if r.Status, err = wireStatus(w.Status); err != nil {
		return Instance{}, err
	}
	if r.CustomStatus, err = joinPayload("customStatus", w.CustomStatus, w.CustomStatusText); err != nil {
		return Instance{}, err
	}
	r.Reason, err = joinPayload("reason", w.Reason, w.ReasonText)
	return r, err
}

// wireStatus reads the name of a status, also of one that was not known when it
// was written.
func wireStatus(name string) (RuntimeStatus, error) {
	if name == Unknown.String() {
		return Unknown, nil
	}
	return ParseStatus(name)
}

func wireTurnOf(turn *Turn) *wireTurn {
	w := &wireTurn{Seq: turn.Seq, At: turn.At, Canceled: turn.Canceled}
	if turn.Events != nil {
		w.Events = make([]wireEvent, len(turn.Events))
	}
	for i := range turn.Events {
		w.Events[i] = wireEventOf(&turn.Events[i])
	}
	return w
}

func (w *wireTurn) turn() (Turn, error) {
	turn := Turn{Seq: w.Seq, At: w.At.UTC(), Canceled: w.Canceled}
	if w.Events != nil {
		turn.Events = make([]Event, len(w.Events))
	}
	for i := range w.Events {
		var err error
		if turn.Events[i], err = w.Events[i].event(); err != nil {
			return Turn{}, fmt.Errorf("event %d: %w", i+1, err)
		}
	}
	return turn, nil
}

func wireEventOf(ev *Event) wireEvent {
	w := wireEvent{
		Type: ev.Kind.String(), ID: &ev.ID, At: ev.At.UTC(), Name: text(ev.Name), Version: text(ev.Version), FireAt: ev.FireAt.UTC(),
		Instance: text(ev.Instance), Failure: wireFailureOf(ev.Failure), Attempt: ev.Attempt, FireAndForget: ev.FireAndForget,
		Key: text(ev.Key), Started: wireStartedOf(ev.Started), Tasks: ev.Tasks, Recursive: ev.Recursive,
	}
	w.Payload, w.PayloadText = splitPayload(ev.Payload)
	if ev.TaskID != 0 || ev.Kind.completion() {
		w.TaskID = &ev.TaskID
	}
	if ev.Status != Running {
		w.Status = ev.Status.String()
	}
	return w
}

// completion reports whether events of this kind answer a scheduling event.
func (k Kind) completion() bool {
	switch k {
	case TaskCompleted, TaskFailed, TimerFired, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed:
		return true
	}
	return false
}

func (w *wireEvent) event() (Event, error) {
	ev := Event{
		ID: NoID, At: w.At.UTC(), Name: string(w.Name), Version: string(w.Version), FireAt: w.FireAt.UTC(),
		Instance: InstanceID(w.Instance), Failure: w.Failure.failure(), Attempt: w.Attempt, FireAndForget: w.FireAndForget,
		Key: string(w.Key), Started: w.Started.started(), Tasks: w.Tasks, Recursive: w.Recursive,
	}
	var err error
	if ev.Kind, err = ParseKind(w.Type); err != nil {
		return Event{}, err
	}
	if w.ID != nil {
		ev.ID = *w.ID
	}
	if w.TaskID != nil {
		ev.TaskID = *w.TaskID
	}
	if w.Status != "" {
		if ev.Status, err = wireStatus(w.Status); err != nil {
			return Event{}, err
		}
	}
	ev.Payload, err = joinPayload("payload", w.Payload, w.PayloadText)
	return ev, err
}

func wireStartedOf(s *Started) *wireStarted {
	if s == nil {
		return nil
	}
	return &wireStarted{
		ExecutionID: text(s.ExecutionID), Parent: wireParentOf(s.Parent), Tags: wireTagsOf(s.Tags),
		ScheduledAt: s.ScheduledAt.UTC(), Generation: s.Generation, Keys: convertList[text](s.Keys), KeyTimes: utc(s.KeyTimes), Before: s.Before,
	}
}

func (w *wireStarted) started() *Started {
	if w == nil {
		return nil
	}
	return &Started{
		ExecutionID: ExecutionID(w.ExecutionID), Parent: w.Parent.parent(), Tags: w.Tags.tags(),
		ScheduledAt: w.ScheduledAt.UTC(), Generation: w.Generation, Keys: convertList[string](w.Keys), KeyTimes: utc(w.KeyTimes), Before: w.Before,
	}
}

func wireParentOf(p *Parent) *wireParent {
	if p == nil {
		return nil
	}
	return &wireParent{
		InstanceID: text(p.InstanceID), ExecutionID: text(p.ExecutionID), Name: text(p.Name), Version: text(p.Version), TaskID: p.TaskID, Number: p.Number,
	}
}

func (w *wireParent) parent() *Parent {
	if w == nil {
		return nil
	}
	return &Parent{
		InstanceID: InstanceID(w.InstanceID), ExecutionID: ExecutionID(w.ExecutionID), Name: string(w.Name), Version: string(w.Version), TaskID: w.TaskID, Number: w.Number,
	}
}

func wireFailureOf(f *Failure) *wireFailure {
	if f == nil {
		return nil
	}
	return &wireFailure{
		Type: text(f.Type), Message: text(f.Message), Stack: text(f.Stack), Inner: wireFailureOf(f.Inner), NonRetriable: f.NonRetriable,
	}
}

func (w *wireFailure) failure() *Failure {
	if w == nil {
		return nil
	}
	return &Failure{
		Type: string(w.Type), Message: string(w.Message), Stack: string(w.Stack), Inner: w.Inner.failure(), NonRetriable: w.NonRetriable,
	}
}

// wireTags are tags; their names must be valid UTF-8.
type wireTags map[string]text

func wireTagsOf(tags map[string]string) wireTags {
	if tags == nil {
		return nil
	}
	w := make(wireTags, len(tags))
	for name, value := range tags {
		w[name] = text(value)
	}
	return w
}

func (w wireTags) tags() map[string]string {
	if w == nil {
		return nil
	}
	tags := make(map[string]string, len(w))
	for name, value := range w {
		tags[name] = string(value)
	}
	return tags
}

func (w wireTags) MarshalJSON() ([]byte, error) {
	for name := range w {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("tag %q is not valid UTF-8", name)
		}
	}
	return json.Marshal(map[string]text(w))
}

// utc keeps nil nil, and empty empty.
func utc(times []time.Time) []time.Time {
	if times == nil {
		return nil
	}
	list := make([]time.Time, len(times))
	for i, t := range times {
		list[i] = t.UTC()
	}
	return list
}

// convertList keeps nil nil, and empty empty.
func convertList[To, From ~string](from []From) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, value := range from {
		to[i] = To(value)
	}
	return to
}

// splitPayload says how a payload is written: as it is if every JSON tool in Go
// leaves its bytes alone or compact puts them right again, else as text.
func splitPayload(payload json.RawMessage) (json.RawMessage, *text) {
	if payload == nil {
		return nil, nil
	}
	if again, err := json.Marshal(payload); err == nil && bytes.Equal(again, payload) {
		return payload, nil
	}
	return nil, new(text(payload))
}

func joinPayload(name string, raw json.RawMessage, asText *text) (json.RawMessage, error) {
	switch {
	case raw != nil && asText != nil:
		return nil, fmt.Errorf("both %s and %sText are given", name, name)
	case asText != nil:
		return json.RawMessage(*asText), nil
	case raw == nil:
		return nil, nil
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, raw) // somebody may have indented it
	return compact.Bytes(), err
}

// text is a string that need not be valid UTF-8.
type text string

type encodedText struct {
	Base64 []byte `json:"base64"`
}

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(encodedText{[]byte(t)})
}

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var encoded encodedText
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		err := d.Decode(&encoded)
		*t = text(encoded.Base64)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}
