package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/perdure/perdure/client"
)

// formats are the values of --output.
var formats = map[string]func(io.Writer, *client.Status, shown) error{
	"json":   func(w io.Writer, s *client.Status, v shown) error { return encode(w, "  ", newRecord(s, v)) },
	"jsonl":  func(w io.Writer, s *client.Status, v shown) error { return encode(w, "", newRecord(s, v)) },
	"legacy": func(w io.Writer, s *client.Status, v shown) error { return encode(w, "  ", newLegacy(s, v)) },
	"table":  writeTable,
}

// shown says which payloads are shown.
type shown struct {
	input, output bool
}

// format returns the format that was asked for, or the default: a table for
// people, the original's shape for scripts.
func (t *tool) format() (string, error) {
	if t.output == "" {
		if file, ok := t.stdout.(*os.File); ok {
			if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
				return "table", nil
			}
		}
		return "legacy", nil
	}
	if _, ok := formats[t.output]; !ok {
		return "", usage("--output %s: the value is json, jsonl, table or legacy", t.output)
	}
	return t.output, nil
}

func encode(w io.Writer, indent string, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

// record is an instance with the names of the HTTP API.
type record struct {
	Name            string               `json:"name"`
	InstanceID      string               `json:"instanceId"`
	RuntimeStatus   client.RuntimeStatus `json:"runtimeStatus"`
	Input           json.RawMessage      `json:"input"`
	CustomStatus    json.RawMessage      `json:"customStatus"`
	Output          json.RawMessage      `json:"output"`
	CreatedTime     string               `json:"createdTime"`
	LastUpdatedTime string               `json:"lastUpdatedTime"`
}

func newRecord(s *client.Status, v shown) record {
	r := record{
		Name: s.Name, InstanceID: s.ID, RuntimeStatus: s.Status, CustomStatus: s.CustomStatus,
		CreatedTime: instant(s.CreatedAt), LastUpdatedTime: instant(s.UpdatedAt),
	}
	if v.input {
		r.Input = s.Input
	}
	if v.output {
		r.Output = s.Output
	}
	return r
}

// legacy is an instance in the shape of the original (spec/cli.md 3.1). The
// fields without a value there are constants.
type legacy struct {
	CompletedTime         string
	CompressedSize        int
	CreatedTime           string
	Input                 *string
	LastUpdatedTime       string
	Name                  string
	OrchestrationInstance struct{ InstanceId, ExecutionId string }
	OrchestrationStatus   int
	Output                *string
	ParentInstance        *struct{}
	Size                  int
	Status                *string
	Tags                  *struct{}
	Version               string
}

func newLegacy(s *client.Status, v shown) legacy {
	l := legacy{
		CompletedTime: "0001-01-01T00:00:00", CreatedTime: instant(s.CreatedAt), LastUpdatedTime: instant(s.UpdatedAt),
		Name: s.Name, OrchestrationStatus: int(s.Status), Status: jsonText(s.CustomStatus), Version: s.Version,
	}
	l.OrchestrationInstance.InstanceId, l.OrchestrationInstance.ExecutionId = s.ID, s.ExecutionID
	if v.input {
		null := "null" // the original stores no input as that
		if l.Input = jsonText(s.Input); l.Input == nil {
			l.Input = &null
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
	text := string(value)
	return &text
}

// instant is UTC with up to seven digits behind the second.
func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

func writeTable(w io.Writer, s *client.Status, v shown) error {
	head := []string{"INSTANCE ID", "NAME", "STATUS", "CREATED", "UPDATED"}
	row := []string{s.ID, s.Name, s.Status.String(), s.CreatedAt.UTC().Format(time.RFC3339), s.UpdatedAt.UTC().Format(time.RFC3339)}
	if v.input {
		head, row = append(head, "INPUT"), append(row, string(s.Input))
	}
	if v.output {
		head, row = append(head, "OUTPUT"), append(row, string(s.Output))
	}
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, strings.Join(head, "\t"))
	fmt.Fprintln(tab, strings.Join(cells(row), "\t"))
	return tab.Flush()
}

// cells keeps what users stored from moving the cursor.
func cells(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, cell)
	}
	return out
}
