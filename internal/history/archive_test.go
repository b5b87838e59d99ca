package history

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// checkArchive wants a back from its JSON, also when that was indented.
func checkArchive(t interface{ Fatalf(string, ...any) }, a Archive) {
	plain, err := json.Marshal(a)
	if err != nil {
		t.Fatalf("Marshal(%#v) = %v", a, err)
	}
	var indented, compact bytes.Buffer
	if err := json.Indent(&indented, plain, "\t", "  "); err != nil {
		t.Fatalf("Indent: %v", err)
	}
	if err := json.Compact(&compact, indented.Bytes()); err != nil {
		t.Fatalf("Compact: %v", err)
	}
	for _, form := range [][]byte{plain, indented.Bytes(), compact.Bytes()} {
		var got Archive
		if err := json.Unmarshal(form, &got); err != nil {
			t.Fatalf("Unmarshal(%s) = %v", form, err)
		}
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("archive changed by its JSON %s (-want +got):\n%s", form, cmp.Diff(a, got))
		}
	}
}

func TestArchiveOfEveryKindRoundTrips(t *testing.T) {
	checkArchive(t, Archive{})
	checkArchive(t, Archive{
		Instance: Instance{
			Number: 1 << 63, ID: "a/b <c>", Name: "\xff", Status: Unknown, CreatedAt: noon,
			Tags: map[string]string{}, CustomStatus: json.RawMessage{}, Reason: json.RawMessage("null"),
		},
		Turns: []Turn{{Seq: 1, Events: samples()}, {Seq: 2, At: noon, Events: samples()}, {Seq: 3, At: noon, Events: []Event{}}},
	})
}

func TestArchiveForgetsNoField(t *testing.T) {
	var a Archive
	fill(t, reflect.ValueOf(&a).Elem(), "Archive")
	checkArchive(t, a)
}

func TestArchiveKeepsPayloadsToTheByte(t *testing.T) {
	for _, payload := range []string{
		`null`, `0`, `1.50`, `1e400`, `-0`, `"a"`, `"\u0041"`, `"é"`, `"<b>&"`, "\"\u2028\"", `"\/"`, `{"b":1,"a":2,"a":3}`,
		`{ "a": 1 }`, " 1\n", "[1,\t2]", "\"\xff\"", "\"<\xff\"", ``, `not JSON`, `{`, "\x00",
	} {
		checkArchive(t, Archive{
			Instance: Instance{CustomStatus: json.RawMessage(payload), Reason: json.RawMessage(payload)},
			Turns:    []Turn{{Seq: 1, Events: []Event{{Kind: EventRaised, ID: NoID, Payload: json.RawMessage(payload)}}}},
		})
	}
	compact, err := json.Marshal(Archive{Turns: []Turn{{Seq: 1, Events: []Event{{Kind: EventRaised, ID: NoID, Payload: json.RawMessage(`{"a":[1]}`)}}}}})
	if want := `"payload":{"a":[1]}`; err != nil || !strings.Contains(string(compact), want) {
		t.Errorf("Marshal = %s, %v; want the payload as JSON, %s", compact, err, want)
	}
}

func TestArchiveRoundTripsWhateverItHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := Archive{Instance: Instance{
			Number: Number(rapid.Uint64().Draw(rt, "number")), ID: InstanceID(rapid.String().Draw(rt, "id")),
			ExecutionID: ExecutionID(rapid.String().Draw(rt, "execution")), Name: someText(rt, "name"), Version: someText(rt, "version"),
			Status: rapid.SampledFrom(Statuses()).Draw(rt, "status"), CreatedAt: someTime(rt, "created"), UpdatedAt: someTime(rt, "updated"),
			CompletedAt: someTime(rt, "completed"), ScheduledAt: someTime(rt, "scheduled"),
			CustomStatus: somePayload(rt, "custom status"), Reason: somePayload(rt, "reason"), Parent: someParent(rt), Tags: someTags(rt),
			Generation: rapid.Int32().Draw(rt, "generation"), Events: rapid.Int32().Draw(rt, "events"),
			Labels: rapid.SampledFrom([][]string{nil, {}, {"", "\xff"}}).Draw(rt, "labels"),
		}}
		for range rapid.IntRange(0, 3).Draw(rt, "turns") {
			turn := Turn{Seq: rapid.Uint32().Draw(rt, "seq"), At: someTime(rt, "at")}
			for range rapid.IntRange(0, 3).Draw(rt, "events") {
				turn.Events = append(turn.Events, someEvent(rt))
			}
			a.Turns = append(a.Turns, turn)
		}
		checkArchive(rt, a)
	})
}

func someEvent(rt *rapid.T) Event {
	var kinds []Kind
	for kind := Kind(0); kind <= ExecutionRewound; kind++ {
		if kind.Known() {
			kinds = append(kinds, kind)
		}
	}
	ev := Event{
		Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), ID: rapid.Int32().Draw(rt, "event id"), At: someTime(rt, "event at"),
		Name: someText(rt, "event name"), Version: someText(rt, "event version"), Payload: somePayload(rt, "payload"),
		TaskID: rapid.Int32().Draw(rt, "task"), FireAt: someTime(rt, "fire at"), Instance: InstanceID(someText(rt, "target")),
		Status: rapid.SampledFrom(append(Statuses(), Unknown)).Draw(rt, "end"), Attempt: rapid.Int32().Draw(rt, "attempt"),
		FireAndForget: rapid.Bool().Draw(rt, "detached"), Key: someText(rt, "key"), Recursive: rapid.Bool().Draw(rt, "recursive"),
		Tasks: rapid.SampledFrom([][]int32{nil, {}, {0}, {7, -1}}).Draw(rt, "tasks"),
	}
	for range rapid.IntRange(0, 3).Draw(rt, "failures") {
		ev.Failure = &Failure{
			Type: someText(rt, "type"), Message: someText(rt, "message"), Stack: someText(rt, "stack"), Inner: ev.Failure,
			NonRetriable: rapid.Bool().Draw(rt, "final"),
		}
	}
	if rapid.Bool().Draw(rt, "started") {
		ev.Started = &Started{
			ExecutionID: ExecutionID(someText(rt, "execution")), Parent: someParent(rt), Tags: someTags(rt), ScheduledAt: someTime(rt, "not before"),
			Generation: rapid.Int32().Draw(rt, "generation"), Keys: rapid.SampledFrom([][]string{nil, {}, {""}, {"a", "\xff"}}).Draw(rt, "keys"),
			KeyTimes: rapid.SampledFrom([][]time.Time{nil, {}, {{}, noon}}).Draw(rt, "key times"),
		}
	}
	return ev
}

func someText(rt *rapid.T, label string) string {
	if rapid.Bool().Draw(rt, label+" is text") {
		return rapid.String().Draw(rt, label)
	}
	return string(rapid.SliceOf(rapid.Byte()).Draw(rt, label))
}

func somePayload(rt *rapid.T, label string) json.RawMessage {
	switch rapid.IntRange(0, 2).Draw(rt, label+" form") {
	case 0:
		return nil
	case 1:
		return json.RawMessage(rapid.SampledFrom([]string{`null`, `[]`, `{"a":1}`, `{ "a": "<" }`, `"\u003c"`}).Draw(rt, label))
	}
	return json.RawMessage(rapid.SliceOf(rapid.Byte()).Draw(rt, label))
}

func someTime(rt *rapid.T, label string) time.Time {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	at := rapid.Int64Range(time.Time{}.Unix(), last).Draw(rt, label)
	return time.Unix(at, rapid.Int64Range(0, 9_999_999).Draw(rt, label+" ticks")*100).UTC()
}

func someTags(rt *rapid.T) map[string]string {
	return rapid.SampledFrom([]map[string]string{nil, {}, {"": ""}, {"a": "\xff", "<b>": "c"}}).Draw(rt, "tags")
}

func someParent(rt *rapid.T) *Parent {
	if rapid.Bool().Draw(rt, "no parent") {
		return nil
	}
	return &Parent{
		InstanceID: InstanceID(someText(rt, "parent")), ExecutionID: ExecutionID(someText(rt, "parent execution")),
		Name: someText(rt, "parent name"), Version: someText(rt, "parent version"), TaskID: rapid.Int32().Draw(rt, "parent task"),
		Number: Number(rapid.Uint64().Draw(rt, "parent number")),
	}
}

func TestArchiveThatCannotBeRead(t *testing.T) {
	const instance = `"instance":{"id":"i","executionId":"e","name":"N","status":"Running","createdAt":"2026-03-04T12:00:00Z"}`
	for _, tt := range []struct{ name, document, want string }{
		{"no JSON", `{`, "unexpected end"},
		{"a list", `[]`, "cannot unmarshal array"},
		{"no format", `{}`, `begins with {"format":"perdure-instance/1"`},
		{"another format", `{"format":"zip"}`, `format "zip" is not that of an exported instance`},
		{"newer", `{"format":"perdure-instance/2","more":1}`, "use a newer build"},
		{"unknown field", `{"format":"perdure-instance/1","colour":1}`, `unknown field "colour"`},
		{"unknown field of the instance", `{"format":"perdure-instance/1","instance":{"colour":1}}`, `unknown field "colour"`},
		{"unknown field of an event", `{"format":"perdure-instance/1",` + instance + `,"turns":[{"events":[{"colour":1}]}]}`, `unknown field "colour"`},
		{"unknown field of text", `{"format":"perdure-instance/1","instance":{"name":{"base64":"","colour":1}}}`, `unknown field "colour"`},
		{"no status", `{"format":"perdure-instance/1","instance":{}}`, `instance: status ""`},
		{"status", `{"format":"perdure-instance/1","instance":{"status":"Happy"}}`, `status "Happy" is not one of`},
		{"time", `{"format":"perdure-instance/1","instance":{"createdAt":"noon"}}`, "noon"},
		{"event type", `{"format":"perdure-instance/1",` + instance + `,"turns":[{},{"events":[{"eventType":"TimerFired"},{"eventType":"Party"}]}]}`,
			`turn 2, event 2: "Party" is not a kind of event`},
		{"payload twice", `{"format":"perdure-instance/1",` + instance + `,"turns":[{"events":[{"eventType":"TimerFired","payload":1,"payloadText":"1"}]}]}`,
			"turn 1, event 1: both payload and payloadText"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Archive{Turns: []Turn{{Seq: 7}}}
			err := json.Unmarshal([]byte(tt.document), &got)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Unmarshal(%s) = %v, want %q in it", tt.document, err, tt.want)
			}
			if len(got.Turns) != 1 || got.Turns[0].Seq != 7 {
				t.Errorf("Unmarshal(%s) changed the archive although it failed: %+v", tt.document, got)
			}
		})
	}
}

func TestArchiveThatJSONCannotHold(t *testing.T) {
	for _, a := range []Archive{
		{Instance: Instance{Tags: map[string]string{"\xff": ""}}},
		{Turns: []Turn{{Events: []Event{{Started: &Started{Tags: map[string]string{"\xff": ""}}}}}}},
		{Turns: []Turn{{At: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}}},
	} {
		if text, err := json.Marshal(a); err == nil {
			t.Errorf("Marshal(%+v) = %s, want an error", a, text)
		}
	}
}

func FuzzDecodeArchive(f *testing.F) {
	for _, ev := range samples() {
		text, err := json.Marshal(Archive{Turns: []Turn{{Seq: 1, At: noon, Events: []Event{ev}}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got Archive
		if json.Unmarshal(b, &got) == nil {
			checkArchive(t, got)
		}
	})
}
