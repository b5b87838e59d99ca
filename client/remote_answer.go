package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// wireStatus is the status object of spec/http-api.md 5.2 and the details that
// our hosts add on demand.
type wireStatus struct {
	Name            string                `json:"name"`
	InstanceID      history.InstanceID    `json:"instanceId"`
	RuntimeStatus   history.RuntimeStatus `json:"runtimeStatus"`
	Input           json.RawMessage       `json:"input"`
	CustomStatus    json.RawMessage       `json:"customStatus"`
	Output          json.RawMessage       `json:"output"`
	CreatedTime     time.Time             `json:"createdTime"`
	LastUpdatedTime time.Time             `json:"lastUpdatedTime"`
	HistoryEvents   []wireEvent           `json:"historyEvents,omitempty"`
	Details         *struct {
		ExecutionID     history.ExecutionID `json:"executionId"`
		Version         string              `json:"version"`
		CreatedTime     time.Time           `json:"createdTime"`
		LastUpdatedTime time.Time           `json:"lastUpdatedTime"`
		CompletedTime   time.Time           `json:"completedTime"`
		ScheduledTime   time.Time           `json:"scheduledStartTime"`
		ParentID        history.InstanceID  `json:"parentInstanceId"`
		Tags            map[string]string   `json:"tags"`
		Failure         *wireFailure        `json:"failureDetails"`
	} `json:"details,omitempty"`
}

// wireFailure is FailureDetails of spec/http-api.md 5.3.
type wireFailure struct {
	ErrorType      string
	ErrorMessage   string
	StackTrace     string
	InnerFailure   *wireFailure
	IsNonRetriable bool
}

func (f *wireFailure) failure() *history.Failure {
	if f == nil {
		return nil
	}
	return &history.Failure{Type: f.ErrorType, Message: f.ErrorMessage, Stack: f.StackTrace, Inner: f.InnerFailure.failure(), NonRetriable: f.IsNonRetriable}
}

func (w *wireStatus) status() engine.Status {
	st := engine.Status{
		Instance: history.Instance{
			ID: w.InstanceID, Name: w.Name, Status: w.RuntimeStatus, CreatedAt: w.CreatedTime, UpdatedAt: w.LastUpdatedTime,
			CustomStatus: notNull(w.CustomStatus),
		},
		Input: notNull(w.Input), Output: notNull(w.Output),
	}
	if d := w.Details; d != nil {
		st.ExecutionID, st.Version, st.Tags, st.Failure = d.ExecutionID, d.Version, d.Tags, d.Failure.failure()
		st.CreatedAt, st.UpdatedAt, st.CompletedAt, st.ScheduledAt = d.CreatedTime, d.LastUpdatedTime, d.CompletedTime, d.ScheduledTime
		if d.ParentID != "" {
			st.Parent = &history.Parent{InstanceID: d.ParentID}
		}
	}
	return st
}

// wireEvent is an event of spec/http-api.md 5.3.
type wireEvent struct {
	EventType           string
	Timestamp           time.Time
	ScheduledTime       time.Time
	FunctionName        string
	Name                string
	InstanceID          history.InstanceID `json:"InstanceId"`
	Input               *string
	Result              json.RawMessage
	OrchestrationStatus history.RuntimeStatus
	FireAt              time.Time
	Reason              string
	Details             string
	Data                string
	FailureDetails      *wireFailure
}

func (w *wireEvent) event() Event {
	kind, err := history.ParseKind(w.EventType)
	if err != nil {
		kind = -1 // a newer host's
	}
	ev := Event{Event: history.Event{Kind: kind, ID: history.NoID, At: w.Timestamp, Name: w.Name, FireAt: w.FireAt, Status: w.OrchestrationStatus}}
	switch kind {
	case history.ExecutionStarted:
		ev.Name, ev.Payload = w.FunctionName, w.input()
	case history.TaskScheduled, history.EventRaised:
		ev.Payload = w.input()
	case history.SubOrchestrationInstanceCreated, history.EventSent:
		ev.Payload, ev.Instance = w.input(), w.InstanceID
	case history.TaskCompleted, history.SubOrchestrationInstanceCompleted:
		ev.Payload = notNull(w.Result)
	case history.TaskFailed, history.SubOrchestrationInstanceFailed:
		ev.Failure = w.failure()
	case history.ExecutionCompleted:
		if ev.Failure = w.FailureDetails.failure(); ev.Failure == nil {
			ev.Payload = notNull(w.Result)
		}
	case history.ExecutionTerminated:
		if w.Input != nil {
			ev.Payload = text(*w.Input)
		}
	case history.ExecutionSuspended, history.ExecutionResumed, history.ExecutionRewound:
		ev.Payload = text(w.Reason)
	case history.GenericEvent:
		ev.Payload = text(w.Data)
	}
	if answers(kind) && !w.ScheduledTime.IsZero() {
		ev.Scheduled = &history.Event{Kind: scheduling(kind), ID: history.NoID, At: w.ScheduledTime, Name: w.FunctionName, Payload: w.input()}
	}
	return ev
}

// scheduling is the kind of event that completions of this kind answer.
func scheduling(k history.Kind) history.Kind {
	if k == history.TaskCompleted || k == history.TaskFailed {
		return history.TaskScheduled
	}
	return history.SubOrchestrationInstanceCreated
}

// input is serialized JSON.
func (w *wireEvent) input() json.RawMessage {
	if w.Input == nil || *w.Input == "" || *w.Input == "null" {
		return nil
	}
	return json.RawMessage(*w.Input)
}

func (w *wireEvent) failure() *history.Failure {
	if w.FailureDetails != nil {
		return w.FailureDetails.failure()
	}
	return &history.Failure{Message: w.Reason, Stack: w.Details}
}

// text is s as JSON; none is nil.
func text(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	encoded, _ := json.Marshal(s) // a string always encodes
	return encoded
}

func notNull(text json.RawMessage) json.RawMessage {
	if string(text) == "null" {
		return nil
	}
	return text
}

// refused is a host's error answer. It matches every sentinel in kinds.
type refused struct {
	text  string
	kinds []error
}

func (e *refused) Error() string   { return e.text }
func (e *refused) Unwrap() []error { return e.kinds }

// kinds by the field Code of our hosts' error bodies.
var kindsByCode = map[string][]error{
	"InvalidArgument":     {ErrInvalidArgument},
	"UnknownOrchestrator": {ErrInvalidArgument, ErrUnknownOrchestrator},
	"AlreadyExists":       {ErrAlreadyExists},
	"NotFound":            {ErrNotFound},
	"InvalidState":        {ErrInvalidState},
	"Terminal":            {ErrInvalidState, ErrTerminal},
	"Unsupported":         {ErrUnsupported},
	"ResourceExhausted":   {ErrResourceExhausted},
	"Unavailable":         {ErrUnavailable},
	"NoSpace":             {ErrUnavailable},
	"HubNotFound":         {ErrHubNotFound},
}

// kinds by status, for answers without a Code (spec/client-api.md 6).
var kindsByStatus = map[int][]error{
	http.StatusBadRequest:            {ErrInvalidArgument},
	http.StatusUnauthorized:          {ErrUnauthenticated},
	http.StatusForbidden:             {ErrUnauthenticated},
	http.StatusNotFound:              {ErrNotFound},
	http.StatusConflict:              {ErrInvalidState},
	http.StatusGone:                  {ErrInvalidState, ErrTerminal},
	http.StatusPreconditionFailed:    {ErrInvalidState},
	http.StatusRequestEntityTooLarge: {ErrInvalidArgument},
	http.StatusRequestURITooLong:     {ErrInvalidArgument},
	http.StatusTooManyRequests:       {ErrResourceExhausted},
	http.StatusNotImplemented:        {ErrUnsupported},
	http.StatusServiceUnavailable:    {ErrUnavailable},
	http.StatusBadGateway:            {ErrUnavailable},
	http.StatusGatewayTimeout:        {ErrUnavailable},
	http.StatusInsufficientStorage:   {ErrUnavailable},
}

// problem is an error body: an object, or with some refusals a bare string.
type problem struct{ Message, ExceptionMessage, ExceptionType, Code string }

func readProblem(body []byte) problem {
	var p problem
	if json.Unmarshal(body, &p.Message) != nil {
		json.Unmarshal(body, &p) // an empty or foreign body leaves p empty, which is handled
	}
	return p
}

// refusal reads an error answer.
func refusal(c call, status int, body []byte) error {
	p := readProblem(body)
	kinds := kindsByCode[p.Code]
	if kinds == nil {
		kinds = foreignKinds(c, status, p)
	}
	text := cmp.Or(p.ExceptionMessage, p.Message)
	if text == "" && len(kinds) > 0 {
		text = kinds[len(kinds)-1].Error()
	}
	if text == "" {
		text = fmt.Sprintf("the host answered %d %s", status, strings.ToLower(http.StatusText(status)))
	}
	return &refused{text, kinds}
}

// foreignKinds reads the status of hosts that send no Code. Those of the second
// generation answer 500 where the newer ones have codes of their own
// (spec/http-api.md 4.1).
func foreignKinds(c call, status int, p problem) []error {
	word := c.path[len(c.path)-1]
	starts := c.path[0] == "orchestrators" || c.path[0] == "import" || word == "restart"
	switch {
	case starts && (status == http.StatusConflict || status == http.StatusInternalServerError && strings.Contains(p.ExceptionMessage, "already exists")):
		return []error{ErrAlreadyExists}
	case status == http.StatusInternalServerError && strings.Contains(p.ExceptionType, "InvalidOperationException"):
		return []error{ErrInvalidState}
	}
	return kindsByStatus[status]
}
