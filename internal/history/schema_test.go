package history

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// history.proto read by the protobuf library is the oracle for the codec: what
// the codec writes must mean, by the schema alone, what was written.

var schema = sync.OnceValues(func() (protoreflect.FileDescriptor, error) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(context.Background(), "history.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
})

// parse reads b as the schema's message called name, and fails for whatever the
// schema does not know.
func parse(t *testing.T, name protoreflect.Name, b []byte) protoreflect.Message {
	t.Helper()
	file, err := schema()
	if err != nil {
		t.Fatalf("compile history.proto: %v", err)
	}
	m := dynamicpb.NewMessage(file.Messages().ByName(name))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("proto.Unmarshal(%s, %x): %v", name, b, err)
	}
	if text := describe(m); strings.Contains(text, "unknown") {
		t.Errorf("%s holds fields that history.proto does not know:\n%s", name, text)
	}
	return m
}

func TestTurnFollowsSchema(t *testing.T) {
	for _, want := range []Turn{{}, {At: noon, Events: samples(), Canceled: []int32{0, 300}}, {Events: samples()}} {
		m := oracle{parse(t, "Turn", AppendTurn(nil, &want))}
		got := m.turn()
		checkDecoded(t, "by the schema: Turn", nil, want, got, m.checkVersion())
	}
}

func TestInstanceFollowsSchema(t *testing.T) {
	number := NewNumber(noon.UnixMicro(), 3)
	for _, want := range []Instance{
		{Number: number, CreatedAt: noon, ID: "i", ExecutionID: someExecution, Status: Pending},
		{
			Number: number, ID: "i", ExecutionID: "text", Name: "Hello", Version: "1", Status: Unknown,
			CreatedAt: noon.Add(-time.Hour), UpdatedAt: noon, CompletedAt: noon.Add(time.Hour), ScheduledAt: time.Unix(0, 0).UTC(),
			CustomStatus: []byte(`1`), Reason: []byte{}, Parent: &Parent{TaskID: -7}, Tags: map[string]string{"a": "b", "c": ""}, Generation: 9, Events: 300, Labels: []string{"x", "y"},
		},
	} {
		m := oracle{parse(t, "Instance", AppendInstance(nil, &want))}
		got := m.instance()
		checkDecoded(t, "by the schema: Instance", nil, want, got, m.checkVersion())
	}
}

func TestMessageFollowsSchema(t *testing.T) {
	for _, ev := range samples() {
		want := Message{To: "i", ExecutionID: someExecution, Event: ev}
		m := oracle{parse(t, "Message", AppendMessage(nil, &want))}
		got := m.envelope()
		checkDecoded(t, "by the schema: Message", nil, want, got, m.checkVersion())
	}
}

// oracle reads a message field by field, by the names and comments of
// history.proto.
type oracle struct{ protoreflect.Message }

func (o oracle) field(name protoreflect.Name) protoreflect.FieldDescriptor {
	return o.Descriptor().Fields().ByName(name)
}

func (o oracle) has(name protoreflect.Name) bool       { return o.Has(o.field(name)) }
func (o oracle) int(name protoreflect.Name) int64      { return o.Get(o.field(name)).Int() }
func (o oracle) uint(name protoreflect.Name) uint64    { return o.Get(o.field(name)).Uint() }
func (o oracle) text(name protoreflect.Name) string    { return o.Get(o.field(name)).String() }
func (o oracle) bool(name protoreflect.Name) bool      { return o.Get(o.field(name)).Bool() }
func (o oracle) message(name protoreflect.Name) oracle { return oracle{o.Get(o.field(name)).Message()} }

func (o oracle) bytes(name protoreflect.Name) []byte {
	if !o.has(name) {
		return nil
	}
	return append([]byte{}, o.Get(o.field(name)).Bytes()...)
}

func (o oracle) list(name protoreflect.Name) []oracle {
	var all []oracle
	list := o.Get(o.field(name)).List()
	for i := range list.Len() {
		all = append(all, oracle{list.Get(i).Message()})
	}
	return all
}

func (o oracle) texts(name protoreflect.Name) (all []string) {
	list := o.Get(o.field(name)).List()
	for i := range list.Len() {
		all = append(all, list.Get(i).String())
	}
	return all
}

// at counts from 1970 in two steps, since a duration holds only 292 years.
func at(ticks int64) time.Time {
	const day = 24 * 60 * 60 * 10_000_000
	return time.Unix(0, 0).UTC().AddDate(0, 0, int(ticks/day)).Add(time.Duration(ticks%day) * 100)
}

func (o oracle) time(name protoreflect.Name, base int64) time.Time {
	if !o.has(name) {
		return time.Time{}
	}
	return at(base + o.int(name))
}

func (o oracle) execution() ExecutionID {
	return ExecutionID(hex.EncodeToString(o.bytes("execution_id")) + o.text("execution_id_text"))
}

func (o oracle) checkVersion() error {
	if v := o.uint("version"); v != CodecVersion {
		return fmt.Errorf("version %d, want %d", v, CodecVersion)
	}
	return nil
}

func (o oracle) tags() map[string]string {
	if !o.has("tags") {
		return nil
	}
	tags := make(map[string]string)
	inner := o.message("tags")
	inner.Get(inner.field("tags")).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		tags[k.String()] = v.String()
		return true
	})
	return tags
}

func (o oracle) parent() *Parent {
	if !o.has("parent") {
		return nil
	}
	p := o.message("parent")
	return &Parent{InstanceID: InstanceID(p.text("instance_id")), ExecutionID: p.execution(), Name: p.text("name"), Version: p.text("version"), TaskID: int32(p.int("task_id")), Number: Number(p.uint("number"))}
}

func (o oracle) turn() Turn {
	turn := Turn{At: o.time("at", 0)}
	base := int64(0)
	if o.has("at") {
		base = o.int("at")
	}
	for _, ev := range o.list("events") {
		turn.Events = append(turn.Events, ev.event(base))
	}
	canceled := o.Get(o.field("canceled")).List()
	for i := range canceled.Len() {
		turn.Canceled = append(turn.Canceled, int32(canceled.Get(i).Int()))
	}
	return turn
}

func (o oracle) instance() Instance {
	got := Instance{Number: Number(o.uint("number")), ID: InstanceID(o.text("id")), ExecutionID: o.execution()}
	created := int64(got.Number>>10)*10 + o.int("created_at")
	got.Name, got.Version, got.Status = o.text("name"), o.text("orchestrator_version"), RuntimeStatus(o.int("status"))
	got.CreatedAt, got.UpdatedAt = at(created), o.time("updated_at", created)
	got.CompletedAt, got.ScheduledAt = o.time("completed_at", created), o.time("scheduled_at", created)
	got.CustomStatus, got.Reason = o.bytes("custom_status"), o.bytes("reason")
	got.Parent, got.Tags, got.Generation, got.Events = o.parent(), o.tags(), int32(o.int("generation")), int32(o.int("events"))
	got.Labels = o.texts("labels")
	return got
}

func (o oracle) envelope() Message {
	return Message{To: InstanceID(o.text("to")), ExecutionID: o.execution(), Event: o.message("event").event(0)}
}

func (o oracle) event(base int64) Event {
	ev := Event{
		Kind: Kind(o.uint("kind")), ID: NoID, At: at(base + o.int("at")), Name: o.text("name"), Version: o.text("version"),
		Payload: o.bytes("payload"), TaskID: int32(o.int("task_id")), FireAt: o.time("fire_at", base), Instance: InstanceID(o.text("instance")),
		Status: RuntimeStatus(o.int("status")), Attempt: int32(o.int("attempt")), FireAndForget: o.bool("fire_and_forget"), Key: o.text("key"), Recursive: o.bool("recursive"),
	}
	tasks := o.Get(o.field("tasks")).List()
	for i := range tasks.Len() {
		ev.Tasks = append(ev.Tasks, int32(tasks.Get(i).Int()))
	}
	if o.has("id") {
		ev.ID = int32(o.int("id"))
	}
	for _, f := range slices.Backward(o.list("failure")) {
		ev.Failure = &Failure{Type: f.text("type"), Message: f.text("message"), Stack: f.text("stack"), NonRetriable: f.bool("non_retriable"), Inner: ev.Failure}
	}
	if o.has("started") {
		s := o.message("started")
		ev.Started = &Started{ExecutionID: s.execution(), Parent: s.parent(), Tags: s.tags(), ScheduledAt: s.time("scheduled_at", base), Generation: int32(s.int("generation"))}
		ev.Started.Keys, ev.Started.Before = s.texts("keys"), Number(s.uint("before"))
		times := s.Get(s.field("key_times")).List()
		for i := range times.Len() {
			ev.Started.KeyTimes = append(ev.Started.KeyTimes, at(base+times.Get(i).Int()))
		}
	}
	return ev
}

// describe renders a message for people: a field a line, in order of numbers.
func describe(m protoreflect.Message) string {
	var b strings.Builder
	describeTo(&b, "", m)
	return b.String()
}

func describeTo(b *strings.Builder, indent string, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	var order []protoreflect.FieldDescriptor
	for i := range fields.Len() {
		order = append(order, fields.Get(i))
	}
	slices.SortFunc(order, func(x, y protoreflect.FieldDescriptor) int { return int(x.Number() - y.Number()) })
	for _, fd := range order {
		if !m.Has(fd) {
			continue
		}
		switch v := m.Get(fd); {
		case fd.IsMap():
			var lines []string
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				lines = append(lines, fmt.Sprintf("%s%s %q: %q\n", indent, fd.Name(), k.String(), v.String()))
				return true
			})
			slices.Sort(lines)
			b.WriteString(strings.Join(lines, ""))
		case fd.IsList():
			for i := range v.List().Len() {
				describeValue(b, indent, fd, v.List().Get(i))
			}
		default:
			describeValue(b, indent, fd, v)
		}
	}
	if raw := m.GetUnknown(); len(raw) > 0 {
		fmt.Fprintf(b, "%sunknown: %x\n", indent, []byte(raw))
	}
}

func describeValue(b *strings.Builder, indent string, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		fmt.Fprintf(b, "%s%s\n", indent, fd.Name())
		describeTo(b, indent+"  ", v.Message())
	case protoreflect.BytesKind, protoreflect.StringKind:
		format := "%s%s: %q\n"
		if fd.Name() == "execution_id" {
			format = "%s%s: %x\n"
		}
		fmt.Fprintf(b, format, indent, fd.Name(), v.Interface())
	default:
		fmt.Fprintf(b, "%s%s: %v\n", indent, fd.Name(), v.Interface())
	}
}
