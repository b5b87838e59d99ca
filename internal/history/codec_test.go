package history

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is the time of the turns in these tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 123_456_700, time.UTC)

const someExecution ExecutionID = "00112233445566778899aabbccddeeff"

// samples holds at least one event of every kind, as the engine records them.
func samples() []Event {
	before := noon.Add(-1500 * time.Microsecond)
	failure := &Failure{
		Type: "*url.Error", Message: "Get: no route", Stack: "main.go:7", NonRetriable: true,
		Inner: &Failure{Type: "*net.OpError", Message: "no route", Inner: &Failure{Message: "errno 113"}},
	}
	return []Event{
		{Kind: ExecutionStarted, ID: NoID, At: before, Name: "Hello", Version: "1.2", Payload: json.RawMessage(`"Tokyo"`), Started: &Started{ExecutionID: someExecution}},
		{Kind: ExecutionStarted, ID: NoID, At: before, Name: "Child", Started: &Started{
			ExecutionID: "not-hex", ScheduledAt: noon.Add(time.Hour), Generation: 3, Keys: []string{"a", "", "b"}, KeyTimes: []time.Time{before, {}, noon},
			Parent: &Parent{InstanceID: "parent", ExecutionID: someExecution, Name: "Hello", Version: "2", TaskID: 4, Number: NewNumber(noon.UnixMicro(), 3)},
			Tags:   map[string]string{"team": "blue", "": "empty key", "empty value": ""},
		}},
		{Kind: ExecutionStarted, ID: NoID, At: before, Name: "Empty", Started: &Started{Tags: map[string]string{}, Parent: &Parent{}}},
		{Kind: ExecutionCompleted, ID: 9, At: noon, Status: Completed, Payload: json.RawMessage(`[1,2]`)},
		{Kind: ExecutionCompleted, ID: 9, At: noon, Status: Failed, Failure: failure},
		{Kind: ExecutionCompleted, ID: 9, At: noon, Status: Failed, Failure: failure, Tasks: []int32{0, 3, 70_000}},
		{Kind: ExecutionCompleted, ID: 9, At: noon, Status: Unknown},
		{Kind: ExecutionTerminated, ID: NoID, At: before, Payload: json.RawMessage(`"enough"`)},
		{Kind: ExecutionTerminated, ID: NoID, At: before, Payload: json.RawMessage(`"enough"`), Recursive: true},
		{Kind: ExecutionTerminated, ID: NoID, At: before, Recursive: true, Instance: "self", Tasks: []int32{1, 2}, Started: &Started{
			ExecutionID: someExecution, Parent: &Parent{InstanceID: "self", Number: NewNumber(noon.UnixMicro(), 1)}, Before: NewNumber(noon.UnixMicro(), 2),
		}},
		{Kind: TaskScheduled, ID: 0, At: noon, Name: "SayHello", Version: "7", Payload: json.RawMessage(`"Tokyo"`), Attempt: 2},
		{Kind: TaskCompleted, ID: NoID, At: before, TaskID: 3, Payload: json.RawMessage(`"Hello Tokyo!"`)},
		{Kind: TaskCompleted, ID: NoID, At: before, TaskID: 0},
		{Kind: TaskCompleted, ID: NoID, At: before, TaskID: 1, Payload: json.RawMessage{}},
		{Kind: TaskFailed, ID: NoID, At: before, TaskID: 3, Failure: failure},
		{Kind: TaskFailed, ID: NoID, At: before, TaskID: 3, Failure: &Failure{}},
		{Kind: SubOrchestrationInstanceCreated, ID: 5, At: noon, Name: "Child", Version: "2", Payload: json.RawMessage(`{}`), Instance: "child:1", FireAndForget: true},
		{Kind: SubOrchestrationInstanceCompleted, ID: NoID, At: before, TaskID: 5, Payload: json.RawMessage(`null`)},
		{Kind: SubOrchestrationInstanceFailed, ID: NoID, At: before, TaskID: 5, Failure: failure},
		{Kind: TimerCreated, ID: 6, At: noon, FireAt: noon.Add(72 * time.Hour)},
		{Kind: TimerFired, ID: NoID, At: noon.Add(72 * time.Hour), TaskID: 6, FireAt: noon.Add(72 * time.Hour)},
		{Kind: OrchestratorStarted, ID: NoID, At: noon},
		{Kind: OrchestratorCompleted, ID: NoID, At: noon},
		{Kind: EventSent, ID: 8, At: noon, Name: "Go", Payload: json.RawMessage(`1`), Instance: "other"},
		{Kind: EventRaised, ID: NoID, At: before, Name: "Approval", Payload: json.RawMessage(`true`), Key: "k-1"},
		{Kind: ContinueAsNew, ID: NoID, At: before},
		{Kind: GenericEvent, ID: NoID, At: time.Time{}},
		{Kind: ExecutionSuspended, ID: NoID, At: before, Payload: json.RawMessage(`"hold"`)},
		{Kind: ExecutionResumed, ID: NoID, At: before},
		{Kind: ExecutionRewound, ID: NoID, At: time.Unix(0, 0).UTC()},
		{Kind: ExecutionRewound, ID: NoID, At: noon, Payload: json.RawMessage(`"mended"`), Tasks: []int32{-1}, Started: &Started{
			ExecutionID: someExecution, Parent: &Parent{InstanceID: "parent", ExecutionID: someExecution, TaskID: 4},
		}},
	}
}

func TestEventRoundTrip(t *testing.T) {
	seen := make(map[Kind]bool)
	for i, ev := range samples() {
		seen[ev.Kind] = true
		t.Run(fmt.Sprintf("%02d %s", i, ev.Kind), func(t *testing.T) {
			for _, at := range []time.Time{noon, {}} {
				checkTurn(t, Turn{Seq: 7, At: at, Events: []Event{ev}})
			}
			checkMessage(t, Message{To: "i", ExecutionID: someExecution, Event: ev})
		})
	}
	for k := range kinds {
		if kind := Kind(k); kind.Known() && !seen[kind] {
			t.Errorf("samples() has no event of kind %s", kind)
		}
	}
}

func TestTurnRoundTrip(t *testing.T) {
	checkTurn(t, Turn{})
	checkTurn(t, Turn{Seq: 1, At: noon})
	checkTurn(t, Turn{Seq: 2, At: noon, Events: samples()})
	checkTurn(t, Turn{Seq: 3, Events: samples()})
}

func TestMessageRoundTrip(t *testing.T) {
	checkMessage(t, Message{})
	checkMessage(t, Message{To: "i", ExecutionID: "text", Event: Event{Kind: EventRaised, At: noon}})
	checkMessage(t, Message{To: "i", ExecutionID: ExecutionID(strings.ToUpper(string(someExecution))), Event: Event{ID: NoID}})
}

func TestInstanceRoundTrip(t *testing.T) {
	number := NewNumber(noon.UnixMicro(), 1023)
	for _, r := range []Instance{
		{},
		{Number: number, CreatedAt: noon, ID: "i", ExecutionID: someExecution, Name: "Hello", Status: Pending},
		{
			Number: number, ID: "i", ExecutionID: "text", Name: "Hello", Version: "1", Status: Suspended,
			CreatedAt: noon, UpdatedAt: noon.Add(time.Second), CompletedAt: noon.Add(time.Minute), ScheduledAt: noon.Add(time.Hour),
			CustomStatus: json.RawMessage(`{"step":2}`), Reason: json.RawMessage(`"hold"`),
			Parent: &Parent{InstanceID: "p", TaskID: NoID, Number: 1}, Tags: map[string]string{"a": "b"}, Generation: 2, Events: 70, Labels: []string{"", "parent:1"},
		},
		{Number: 1 << 63, Status: Unknown, CustomStatus: json.RawMessage{}, Reason: json.RawMessage{}, Parent: &Parent{}, Tags: map[string]string{}},
		{CreatedAt: time.Unix(0, 0).UTC(), UpdatedAt: time.Unix(-1, 0).UTC(), Generation: -1},
	} {
		checkInstance(t, r)
	}
}

// Every field of every type must come back, also the ones that the samples
// leave alone.
func TestNoFieldIsForgotten(t *testing.T) {
	var turn Turn
	fill(t, reflect.ValueOf(&turn).Elem(), "Turn")
	checkTurn(t, turn)
	var r Instance
	fill(t, reflect.ValueOf(&r).Elem(), "Instance")
	checkInstance(t, r)
	var m Message
	fill(t, reflect.ValueOf(&m).Elem(), "Message")
	checkMessage(t, m)
}

// fill gives v, and all that it holds, values that are not zero.
func fill(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(len(path)) * time.Second)))
		return
	case Kind:
		v.Set(reflect.ValueOf(TimerFired))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if strings.HasSuffix(path, ".Inner.Inner") {
			return // a chain of failures must end somewhere
		}
		fill(t, v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, path+".key")
		fill(t, value, path+".value")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int32, reflect.Int64:
		v.SetInt(int64(len(path)%7 + 1))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(len(path)))
	default:
		t.Fatalf("fill(%s): no value for a %s", path, v.Type())
	}
}

func TestHelloTurnIsSmall(t *testing.T) {
	turn := helloTurn()
	if n := len(AppendTurn(nil, &turn)); n > 70 {
		t.Errorf("a hello turn takes %d bytes, want at most 70", n)
	}
}

func helloTurn() Turn {
	return Turn{Seq: 3, At: noon, Events: []Event{
		{Kind: TaskCompleted, ID: NoID, At: noon.Add(-900 * time.Microsecond), TaskID: 1, Payload: json.RawMessage(`"Hello Tokyo!"`)},
		{Kind: TaskScheduled, ID: 2, At: noon, Name: "SayHello", Payload: json.RawMessage(`"Seattle"`), Attempt: 1},
	}}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	turn := helloTurn()
	turn.Events[0].Payload = json.RawMessage(strings.Repeat("x", 20_000)) // a length of three bytes
	alone := AppendTurn(nil, &turn)
	behind := AppendTurn([]byte("before"), &turn)
	if want := "before" + string(alone); string(behind) != want {
		t.Errorf("AppendTurn(\"before\", turn) = %q, want %q", behind, want)
	}
	checkTurn(t, turn)
}

func TestDecodeErrors(t *testing.T) {
	turn := helloTurn()
	good := string(AppendTurn(nil, &turn))
	for _, tt := range []struct{ name, bytes, want string }{
		{"empty", "", "turn of 0 bytes does not begin with a codec version: it is damaged"},
		{"version 0", "\x08\x00", "turn of 2 bytes does not begin with a codec version: it is damaged"},
		{"another field first", "\x10\x02", "turn of 2 bytes does not begin with a codec version: it is damaged"},
		{"newer version", "\x08\x04", "turn has codec version 4, this build reads versions up to 3: use a newer build"},
		{"unknown field", "\x08\x01\x28\x01", "turn, field 5: unknown field"},
		{"unknown field inside", "\x08\x01\x1a\x03\x90\x01\x01", "turn: event, field 18: unknown field"},
		{"wrong type", "\x08\x01\x18\x01", "turn, field 3: wire type 0, not 2"},
		{"unused type", "\x08\x01\x1d\x01\x01\x01\x01", "turn, field 3: wire type 5 is not used"},
		{"cut off", good[:len(good)-1], "turn, field 3: unexpected EOF"},
		{"unknown kind", "\x08\x01\x1a\x02\x08\x02", "turn: event, field 1: event kind 2 is not known"},
		{"id too large", "\x08\x01\x1a\x06\x10\x80\x80\x80\x80\x20", "turn: event, field 2: 4294967296 does not fit 32 bits"},
		{"list cut off", "\x08\x01\x1a\x04\x82\x01\x01\x80", "turn: event, field 16: unexpected EOF"},
		{"list of large ids", "\x08\x01\x1a\x08\x82\x01\x05\x80\x80\x80\x80\x20", "turn: event, field 16: 4294967296 does not fit 32 bits"},
		{"time after events", "\x08\x01\x1a\x00\x10\x02", "turn, field 2: the turn's time comes after its events"},
	} {
		if _, err := DecodeTurn(1, []byte(tt.bytes)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: DecodeTurn(%q) = error %v, want %s", tt.name, tt.bytes, err, tt.want)
		}
	}
	if _, err := DecodeMessage([]byte("\x08\x01\x1a\x01x")); err == nil || err.Error() != "message, field 3: execution id of 1 bytes, not 16" {
		t.Errorf("DecodeMessage(short execution id) = error %v", err)
	}
	if _, err := DecodeInstance([]byte("\x08\x09")); err == nil || err.Error() != "instance has codec version 9, this build reads versions up to 3: use a newer build" {
		t.Errorf("DecodeInstance(version 9) = error %v", err)
	}
}

func TestUnknownStatusIsReadAsUnknown(t *testing.T) {
	b := AppendInstance(nil, &Instance{Status: 44})
	r, err := DecodeInstance(b)
	if err != nil || r.Status != Unknown {
		t.Errorf("DecodeInstance(status 44) = status %d, error %v, want %d", r.Status, err, Unknown)
	}
}

func checkTurn(t *testing.T, want Turn) {
	t.Helper()
	b := AppendTurn(nil, &want)
	got, err := DecodeTurn(want.Seq, b)
	checkDecoded(t, "DecodeTurn", b, want, got, err)
}

func checkInstance(t *testing.T, want Instance) {
	t.Helper()
	b := AppendInstance(nil, &want)
	got, err := DecodeInstance(b)
	checkDecoded(t, "DecodeInstance", b, want, got, err)
}

func checkMessage(t *testing.T, want Message) {
	t.Helper()
	b := AppendMessage(nil, &want)
	got, err := DecodeMessage(b)
	checkDecoded(t, "DecodeMessage", b, want, got, err)
}

func checkDecoded[T any](t *testing.T, call string, b []byte, want, got T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s(%x): %v", call, b, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s(%x): -want +got\n%s", call, b, diff)
	}
	if !reflect.DeepEqual(want, got) { // cmp.Diff calls times equal whose locations differ
		t.Errorf("%s(%x) = %#v, want exactly %#v", call, b, got, want)
	}
}

func BenchmarkAppendTurn(b *testing.B) {
	turn := helloTurn()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendTurn(buf[:0], &turn)
	}
	b.ReportMetric(float64(len(buf)), "B/turn")
}

func BenchmarkDecodeTurn(b *testing.B) {
	turn := helloTurn()
	buf := AppendTurn(nil, &turn)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTurn(3, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendInstance(b *testing.B) {
	r := Instance{Number: NewNumber(noon.UnixMicro(), 5), ID: "a1b2c3", ExecutionID: someExecution, Name: "Hello", CreatedAt: noon, UpdatedAt: noon}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendInstance(buf[:0], &r)
	}
	b.ReportMetric(float64(len(buf)), "B/row")
}
