package main

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/perdure/perdure/client"
)

// shown says what of an instance is shown besides the usual.
type shown struct {
	input, output bool
	failures      bool // in tables: why they failed; false: none has, or the output tells
}

// of adds what a table of found has to show.
func (v shown) of(found ...*client.Status) shown {
	v.failures = !v.output && slices.ContainsFunc(found, func(s *client.Status) bool { return s.FailureText != "" })
	return v
}

// instance is the result that shows one instance.
func instance(s *client.Status, v shown) result {
	v = v.of(s)
	return result{document: newRecord(s, v), rows: []row{tableHead(v), tableRow(s, v)}, legacy: newLegacy(s, v)}
}

// maxErrorText is how much of an error fits into a row of a table, in letters.
const maxErrorText = 80

// shortError is as much of an error as fits into a table.
func shortError(text string) string {
	if letters := []rune(text); len(letters) > maxErrorText {
		text = string(letters[:maxErrorText-1]) + "…"
	}
	return text
}

// newRecord is an instance with the names of the HTTP API: its eight members
// always, ours when there is something to tell.
func newRecord(s *client.Status, v shown) object {
	o := object{
		{"name", s.Name}, {"instanceId", s.ID}, {"runtimeStatus", s.RuntimeStatus},
		{"input", when(v.input, s.Input)}, {"customStatus", s.CustomStatus}, {"output", when(v.output, s.Output)},
		{"createdTime", instant(s.CreatedAt)}, {"lastUpdatedTime", instant(s.UpdatedAt)},
	}
	if s.ExecutionID != "" {
		o = o.with("executionId", s.ExecutionID)
	}
	if s.Version != "" {
		o = o.with("version", s.Version)
	}
	if !s.ScheduledAt.IsZero() {
		o = o.with("scheduledStartTime", instant(s.ScheduledAt))
	}
	if !s.CompletedAt.IsZero() {
		o = o.with("completedTime", instant(s.CompletedAt))
	}
	if s.ParentID != "" {
		o = o.with("parentInstanceId", s.ParentID)
	}
	if len(s.Tags) > 0 {
		o = o.with("tags", s.Tags)
	}
	if s.Failure != nil && v.output {
		o = o.with("failure", s.Failure)
	}
	return o
}

// when is the payload, or null when it is not shown.
func when(show bool, payload json.RawMessage) json.RawMessage {
	if !show {
		return nil
	}
	return payload
}

// legacy is an instance in the shape of the original (docs/contracts/cli.md
// 3.1). The fields without a value there are constants.
type legacy struct {
	CompletedTime         string
	CompressedSize        int
	CreatedTime           string
	Input                 *string
	LastUpdatedTime       string
	Name                  string
	OrchestrationInstance legacyInstance
	OrchestrationStatus   int
	Output                *string
	ParentInstance        *struct{}
	Size                  int
	Status                *string
	Tags                  *struct{}
	Version               string
}

type legacyInstance struct{ InstanceId, ExecutionId string }

func newLegacy(s *client.Status, v shown) legacy {
	l := legacy{
		CompletedTime: "0001-01-01T00:00:00", CreatedTime: instant(s.CreatedAt), LastUpdatedTime: instant(s.UpdatedAt),
		Name: s.Name, OrchestrationStatus: int(s.RuntimeStatus), Status: jsonText(s.CustomStatus), Version: s.Version,
		OrchestrationInstance: legacyInstance{string(s.ID), string(s.ExecutionID)},
	}
	if v.input {
		// The original stores no input as null.
		if l.Input = jsonText(s.Input); l.Input == nil {
			l.Input = new("null")
		}
	}
	if v.output {
		l.Output = jsonText(s.Output)
	}
	return l
}

// jsonText is JSON in a string, nil for none.
func jsonText(value json.RawMessage) *string {
	if len(value) == 0 {
		return nil
	}
	return new(string(value))
}

// instant is UTC with up to seven digits behind the second.
func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// second is UTC to the second.
func second(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// tableHead is the head above rows of [tableRow].
func tableHead(v shown) row {
	head := row{"INSTANCE ID", "NAME", "STATUS", "CREATED", "UPDATED"}
	if v.failures {
		head = append(head, "ERROR")
	}
	if v.input {
		head = append(head, "INPUT")
	}
	if v.output {
		head = append(head, "OUTPUT")
	}
	return head
}

// tableRow is an instance in a table.
func tableRow(s *client.Status, v shown) row {
	values := row{string(s.ID), s.Name, s.RuntimeStatus.String(), second(s.CreatedAt), second(s.UpdatedAt)}
	if v.failures {
		values = append(values, shortError(s.FailureText))
	}
	if v.input {
		values = append(values, string(s.Input))
	}
	if v.output {
		values = append(values, string(s.Output))
	}
	return values
}
