package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 700, time.UTC)

// all is a view of everything.
var all = View{Input: true, Output: true, Custom: true, Failure: true, History: true, Results: true, Details: true}

// statuses has each member of a status with and without a value.
func statuses() []hub.Status {
	failure := &history.Failure{Type: "T", Message: "a & b", Stack: "at x", NonRetriable: true, Inner: &history.Failure{Message: "inner"}}
	return []hub.Status{
		{Instance: history.Instance{ID: "i", Name: "F", Status: history.Running, CreatedAt: noon, UpdatedAt: noon}},
		{
			Instance: history.Instance{
				ID: "i", Name: "F", Status: history.Failed, CreatedAt: noon, UpdatedAt: noon.Add(time.Second), CustomStatus: json.RawMessage(`{"b":1,"a":2}`),
				ExecutionID: "e", Version: "2", CompletedAt: noon, ScheduledAt: noon, Tags: map[string]string{"k": "<v>"}, Parent: &history.Parent{InstanceID: "p"},
			},
			Input: json.RawMessage(`1.50`), Output: json.RawMessage(`"a & b"`), Failure: failure, FailureText: "a & b",
		},
		{Instance: history.Instance{ID: "i", Status: history.Unknown, CreatedAt: noon, UpdatedAt: noon}, Problem: "it is damaged"},
	}
}

func TestStatusesAreReadAsTheyWereWritten(t *testing.T) {
	for _, want := range statuses() {
		text := WriteStatus(&want, all).JSON()
		var got Status
		if err := json.Unmarshal(text, &got); err != nil || !got.Formed() {
			t.Fatalf("read %s: formed %t, %v", text, got.Formed(), err)
		}
		if diff := cmp.Diff(want, got.Status); diff != "" {
			t.Errorf("%s (-written +read):\n%s", text, diff)
		}
	}
}

func TestWhatIsNoStatusIsNotFormed(t *testing.T) {
	for _, text := range []string{`{}`, `{"instanceId":"i"}`, `{"createdTime":"2026-02-03T12:00:00Z"}`} {
		var got Status
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Formed() {
			t.Errorf("%s: formed %t, %v", text, got.Formed(), err)
		}
	}
}

// Each kind that a history can hold, frames aside, has a form.
func TestEveryKindHasAForm(t *testing.T) {
	for kind := range history.Kind(127) {
		_, ok := eventForms[kind]
		if want := kind.Known() && kind.Class() != history.Frame; ok != want {
			t.Errorf("%s has a form: %t, want %t", kind, ok, want)
		}
	}
}

func TestErrorsAreReadAsTheyWereWritten(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes {
		if seen[c.Name] {
			t.Errorf("two rows have the code %s", c.Name)
		}
		seen[c.Name] = true
		err := fmt.Errorf("what happened: %w", errors.Join(c.Kinds...))
		for _, first := range Codes { // the row that the server finds
			if errors.Is(err, first.Kinds[len(first.Kinds)-1]) {
				if first.Name != c.Name {
					t.Errorf("an error of the code %s is answered as %s", c.Name, first.Name)
				}
				break
			}
		}
		if got := Kinds(c.Name); len(got) != len(c.Kinds) {
			t.Errorf("Kinds(%s) = %v, want %v", c.Name, got, c.Kinds)
		}
	}
	if got := Kinds("Other"); got != nil {
		t.Errorf("Kinds(Other) = %v", got)
	}
}

func TestReuseNames(t *testing.T) {
	for i, name := range ReuseNames {
		if got, ok := ParseReuse(strings.ToUpper(name)); !ok || int(got) != i {
			t.Errorf("ParseReuse(%s) = %d, %t, want %d", strings.ToUpper(name), got, ok, i)
		}
	}
	if got, ok := ParseReuse("Other"); ok {
		t.Errorf("ParseReuse(Other) = %d", got)
	}
}

// Whatever is read can be written and is then read again as the same.
func FuzzStatus(f *testing.F) {
	for _, st := range statuses() {
		f.Add([]byte(WriteStatus(&st, all).JSON()))
	}
	f.Add([]byte(`{"instanceId":"i","createdTime":"2026-02-03T12:00:00Z","historyEvents":[{"EventType":"TaskFailed","Timestamp":"2026-02-03T12:00:00Z","Reason":"no"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var first Status
		if json.Unmarshal(text, &first) != nil || !first.Formed() {
			return
		}
		for _, payload := range []json.RawMessage{first.Input, first.Output, first.CustomStatus} {
			if payload != nil && !json.Valid(payload) {
				t.Fatalf("the payload %q is no JSON", payload)
			}
		}
		written := WriteStatus(&first.Status, all).JSON()
		var second Status
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("read %s, written from %q: %v", written, text, err)
		}
	})
}
