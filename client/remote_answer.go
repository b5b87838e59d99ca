package client

import (
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

func decodeStatus(body []byte) (engine.Status, error) {
	var w wireStatus
	if err := json.Unmarshal(body, &w); err != nil {
		return engine.Status{}, fmt.Errorf("%w: the answer is not a status: %w", ErrUnavailable, err)
	}
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
	return st, nil
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
	"Unavailable":         {ErrUnavailable},
	"HubNotFound":         {ErrHubNotFound},
}

// kinds by status, for answers without a Code (spec/client-api.md 6).
var kindsByStatus = map[int][]error{
	http.StatusBadRequest:            {ErrInvalidArgument},
	http.StatusUnauthorized:          {ErrUnauthenticated},
	http.StatusNotFound:              {ErrNotFound},
	http.StatusConflict:              {ErrInvalidState},
	http.StatusGone:                  {ErrInvalidState, ErrTerminal},
	http.StatusPreconditionFailed:    {ErrInvalidState},
	http.StatusRequestEntityTooLarge: {ErrInvalidArgument},
	http.StatusRequestURITooLong:     {ErrInvalidArgument},
	http.StatusServiceUnavailable:    {ErrUnavailable},
	http.StatusBadGateway:            {ErrUnavailable},
	http.StatusGatewayTimeout:        {ErrUnavailable},
}

// refusal reads an error answer.
func refusal(c call, status int, body []byte) error {
	var w struct{ Message, ExceptionMessage, Code string }
	json.Unmarshal(body, &w) // an empty or foreign body leaves w empty, which is handled
	kinds := kindsByCode[w.Code]
	if kinds == nil {
		kinds = kindsByStatus[status]
	}
	if status == http.StatusConflict && w.Code == "" && c.path[0] == "orchestrators" {
		kinds = []error{ErrAlreadyExists}
	}
	text := w.ExceptionMessage
	if text == "" {
		text = w.Message
	}
	if text == "" && len(kinds) > 0 {
		text = kinds[len(kinds)-1].Error()
	}
	if text == "" {
		text = fmt.Sprintf("the host answered %d %s", status, strings.ToLower(http.StatusText(status)))
	}
	return &refused{text, kinds}
}
