package history

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// CodecVersion is the version of the form on disk that this build writes; it
// reads all up to it. history.proto describes the form and says when the number
// has to grow.
const CodecVersion = 3

// The Append functions append the encoded form of a value to b, as append does.
// They write times to 100 ns and in UTC, and empty lists as none; all else
// comes back as it was. The Decode functions return payloads that are parts of
// b, so b must not change as long as they are in use; everything else is a
// copy.

// AppendTurn appends the encoded form of t without its Seq.
func AppendTurn(b []byte, t *Turn) []byte {
	b = appendVersion(b)
	b = appendOptionalTime(b, 2, t.At, 0)
	base := t.base()
	for i := range t.Events {
		b = appendEvent(b, 3, &t.Events[i], base)
	}
	return appendInt32s(b, 4, t.Canceled)
}

// DecodeTurn reads what [AppendTurn] wrote. Payloads alias b.
func DecodeTurn(seq uint32, b []byte) (Turn, error) {
	f, err := begin("turn", b)
	if err != nil {
		return Turn{}, err
	}
	t := Turn{Seq: seq}
	if n := countFields(f.rest, 3); n > 0 {
		t.Events = make([]Event, 0, n)
	}
	for f.next() {
		switch f.num {
		case 2:
			if len(t.Events) > 0 {
				f.broken(fmt.Errorf("the turn's time comes after its events"))
			}
			t.At = f.time(0)
		case 3:
			t.Events = append(t.Events, Event{})
			readEvent(&f, &t.Events[len(t.Events)-1], t.base())
		case 4:
			t.Canceled = f.int32s(t.Canceled)
		default:
			f.unknown()
		}
	}
	if f.err != nil {
		return Turn{}, f.err
	}
	return t, nil
}

// base is the time that the times of the turn's events count from.
func (t *Turn) base() int64 {
	if t.Start() {
		return 0
	}
	return ticks(t.At)
}

// AppendInstance appends the encoded form of r.
func AppendInstance(b []byte, r *Instance) []byte {
	b = appendVersion(b)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), uint64(r.Number))
	b = appendString(b, 3, string(r.ID))
	b = appendExecutionID(b, 4, 5, r.ExecutionID)
	b = appendString(b, 6, r.Name)
	b = appendString(b, 7, r.Version)
	b = appendInt(b, 8, int64(r.Status))
	created := ticks(r.CreatedAt)
	b = appendInt(b, 9, created-r.Number.ticks())
	b = appendOptionalTime(b, 10, r.UpdatedAt, created)
	b = appendOptionalTime(b, 11, r.CompletedAt, created)
	b = appendOptionalTime(b, 12, r.ScheduledAt, created)
	b = appendOptionalBytes(b, 13, r.CustomStatus)
	b = appendOptionalBytes(b, 14, r.Reason)
	b = appendParent(b, 15, r.Parent)
	b = appendTags(b, 16, r.Tags)
	b = appendInt(b, 17, int64(r.Generation))
	b = appendInt(b, 18, int64(r.Events))
	return appendStrings(b, 19, r.Labels)
}

// DecodeInstance reads what [AppendInstance] wrote. Payloads alias b.
func DecodeInstance(b []byte) (Instance, error) {
	f, err := begin("instance", b)
	if err != nil {
		return Instance{}, err
	}
	var r Instance
	var created int64                        // from the number's time until all is read
	var updated, completed, scheduled *int64 // from created
	for f.next() {
		switch f.num {
		case 2:
			r.Number = Number(f.fixed64())
		case 3:
			r.ID = InstanceID(f.string())
		case 4:
			r.ExecutionID = f.executionID()
		case 5:
			r.ExecutionID = ExecutionID(f.string())
		case 6:
			r.Name = f.string()
		case 7:
			r.Version = f.string()
		case 8:
			r.Status = f.status()
		case 9:
			created = f.int()
		case 10:
			updated = new(f.int())
		case 11:
			completed = new(f.int())
		case 12:
			scheduled = new(f.int())
		case 13:
			r.CustomStatus = f.bytes()
		case 14:
			r.Reason = f.bytes()
		case 15:
			r.Parent = readParent(&f)
		case 16:
			r.Tags = readTags(&f)
		case 17:
			r.Generation = f.int32()
		case 18:
			r.Events = f.int32()
		case 19:
			r.Labels = append(r.Labels, f.string())
		default:
			f.unknown()
		}
	}
	if f.err != nil {
		return Instance{Number: r.Number, ID: r.ID}, f.err
	}
	created += r.Number.ticks()
	since := func(n *int64) time.Time {
		if n == nil {
			return time.Time{}
		}
		return fromTicks(created + *n)
	}
	r.CreatedAt = fromTicks(created)
	r.UpdatedAt, r.CompletedAt, r.ScheduledAt = since(updated), since(completed), since(scheduled)
	return r, nil
}

// ticks is CreatedAt in the codec's unit.
func (n Number) ticks() int64 { return n.Micros() * 10 }

// AppendMessage appends the encoded form of m.
func AppendMessage(b []byte, m *Message) []byte {
	b = appendVersion(b)
	b = appendString(b, 2, string(m.To))
	b = appendExecutionID(b, 3, 4, m.ExecutionID)
	return appendEvent(b, 5, &m.Event, 0)
}

// DecodeMessage reads what [AppendMessage] wrote. Payloads alias b.
func DecodeMessage(b []byte) (Message, error) {
	f, err := begin("message", b)
	if err != nil {
		return Message{}, err
	}
	var m Message
	for f.next() {
		switch f.num {
		case 2:
			m.To = InstanceID(f.string())
		case 3:
			m.ExecutionID = f.executionID()
		case 4:
			m.ExecutionID = ExecutionID(f.string())
		case 5:
			m.Event = Event{}
			readEvent(&f, &m.Event, 0)
		default:
			f.unknown()
		}
	}
	if f.err != nil {
		return Message{}, f.err
	}
	return m, nil
}

// TellsCanceled reports whether an encoded turn is of a codec version that
// records [Turn.Canceled].
func TellsCanceled(b []byte) bool {
	f, err := begin("turn", b)
	return err == nil && f.n >= 3
}

func appendVersion(b []byte) []byte { return appendUint(b, 1, CodecVersion) }

// begin checks the version and returns the fields after it.
func begin(message string, b []byte) (fields, error) {
	f := fields{message: message, rest: b}
	if !f.next() || f.num != 1 || f.typ != protowire.VarintType || f.n == 0 {
		return f, fmt.Errorf("%s of %d bytes does not begin with a codec version: it is damaged", message, len(b))
	}
	if f.n > CodecVersion {
		return f, fmt.Errorf("%s has codec version %d, this build reads versions up to %d: use a newer build", message, f.n, CodecVersion)
	}
	return f, nil
}

func countFields(b []byte, num protowire.Number) (count int) {
	for len(b) > 0 {
		got, _, n := protowire.ConsumeField(b)
		if n < 0 {
			break
		}
		if got == num {
			count++
		}
		b = b[n:]
	}
	return count
}

func appendEvent(b []byte, num protowire.Number, ev *Event, base int64) []byte {
	b, start := open(b, num)
	b = appendUint(b, 1, uint64(ev.Kind))
	if ev.ID != NoID {
		b = appendOptionalInt(b, 2, int64(ev.ID))
	}
	b = appendInt(b, 3, ticks(ev.At)-base)
	b = appendString(b, 4, ev.Name)
	b = appendString(b, 5, ev.Version)
	b = appendOptionalBytes(b, 6, ev.Payload)
	b = appendInt(b, 7, int64(ev.TaskID))
	b = appendOptionalTime(b, 8, ev.FireAt, base)
	b = appendString(b, 9, string(ev.Instance))
	b = appendInt(b, 10, int64(ev.Status))
	for failure := ev.Failure; failure != nil; failure = failure.Inner {
		b = appendFailure(b, 11, failure)
	}
	b = appendInt(b, 12, int64(ev.Attempt))
	b = appendBool(b, 13, ev.FireAndForget)
	b = appendString(b, 14, ev.Key)
	b = appendStarted(b, 15, ev.Started, base)
	b = appendInt32s(b, 16, ev.Tasks)
	b = appendBool(b, 17, ev.Recursive)
	return shut(b, start)
}

func readEvent(outer *fields, ev *Event, base int64) {
	f := outer.nested("event")
	ev.ID, ev.At = NoID, fromTicks(base)
	innermost := &ev.Failure
	for f.next() {
		switch f.num {
		case 1:
			ev.Kind = f.kind()
		case 2:
			ev.ID = f.int32()
		case 3:
			ev.At = f.time(base)
		case 4:
			ev.Name = f.string()
		case 5:
			ev.Version = f.string()
		case 6:
			ev.Payload = f.bytes()
		case 7:
			ev.TaskID = f.int32()
		case 8:
			ev.FireAt = f.time(base)
		case 9:
			ev.Instance = InstanceID(f.string())
		case 10:
			ev.Status = f.status()
		case 11:
			*innermost = readFailure(&f)
			innermost = &(*innermost).Inner
		case 12:
			ev.Attempt = f.int32()
		case 13:
			ev.FireAndForget = f.bool()
		case 14:
			ev.Key = f.string()
		case 15:
			ev.Started = readStarted(&f, base)
		case 16:
			ev.Tasks = f.int32s(ev.Tasks)
		case 17:
			ev.Recursive = f.bool()
		default:
			f.unknown()
		}
	}
	outer.done(&f)
}

func appendStarted(b []byte, num protowire.Number, s *Started, base int64) []byte {
	if s == nil {
		return b
	}
	b, start := open(b, num)
	b = appendExecutionID(b, 1, 2, s.ExecutionID)
	b = appendParent(b, 3, s.Parent)
	b = appendTags(b, 4, s.Tags)
	b = appendOptionalTime(b, 5, s.ScheduledAt, base)
	b = appendInt(b, 6, int64(s.Generation))
	b = appendStrings(b, 7, s.Keys)
	b = appendTimes(b, 8, s.KeyTimes, base)
	b = appendFixed64(b, 9, uint64(s.Before))
	return shut(b, start)
}

func readStarted(outer *fields, base int64) *Started {
	f := outer.nested("started")
	s := new(Started)
	for f.next() {
		switch f.num {
		case 1:
			s.ExecutionID = f.executionID()
		case 2:
			s.ExecutionID = ExecutionID(f.string())
		case 3:
			s.Parent = readParent(&f)
		case 4:
			s.Tags = readTags(&f)
		case 5:
			s.ScheduledAt = f.time(base)
		case 6:
			s.Generation = f.int32()
		case 7:
			s.Keys = append(s.Keys, f.string())
		case 8:
			s.KeyTimes = f.times(s.KeyTimes, base)
		case 9:
			s.Before = Number(f.fixed64())
		default:
			f.unknown()
		}
	}
	outer.done(&f)
	return s
}

func appendParent(b []byte, num protowire.Number, p *Parent) []byte {
	if p == nil {
		return b
	}
	b, start := open(b, num)
	b = appendString(b, 1, string(p.InstanceID))
	b = appendExecutionID(b, 2, 3, p.ExecutionID)
	b = appendString(b, 4, p.Name)
	b = appendString(b, 5, p.Version)
	b = appendInt(b, 6, int64(p.TaskID))
	b = appendFixed64(b, 7, uint64(p.Number))
	return shut(b, start)
}

func readParent(outer *fields) *Parent {
	f := outer.nested("parent")
	p := new(Parent)
	for f.next() {
		switch f.num {
		case 1:
			p.InstanceID = InstanceID(f.string())
		case 2:
			p.ExecutionID = f.executionID()
		case 3:
			p.ExecutionID = ExecutionID(f.string())
		case 4:
			p.Name = f.string()
		case 5:
			p.Version = f.string()
		case 6:
			p.TaskID = f.int32()
		case 7:
			p.Number = Number(f.fixed64())
		default:
			f.unknown()
		}
	}
	outer.done(&f)
	return p
}

func appendTags(b []byte, num protowire.Number, tags map[string]string) []byte {
	if tags == nil {
		return b
	}
	b, start := open(b, num)
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		var entry int
		b, entry = open(b, 1)
		b = appendString(b, 1, key)
		b = appendString(b, 2, tags[key])
		b = shut(b, entry)
	}
	return shut(b, start)
}

func readTags(outer *fields) map[string]string {
	f := outer.nested("tags")
	tags := make(map[string]string)
	for f.next() {
		if f.num != 1 {
			f.unknown()
			continue
		}
		entry := f.nested("tag")
		var key, value string
		for entry.next() {
			switch entry.num {
			case 1:
				key = entry.string()
			case 2:
				value = entry.string()
			default:
				entry.unknown()
			}
		}
		f.done(&entry)
		tags[key] = value
	}
	outer.done(&f)
	return tags
}

func appendFailure(b []byte, num protowire.Number, failure *Failure) []byte {
	b, start := open(b, num)
	b = appendString(b, 1, failure.Type)
	b = appendString(b, 2, failure.Message)
	b = appendString(b, 3, failure.Stack)
	b = appendBool(b, 4, failure.NonRetriable)
	return shut(b, start)
}

func readFailure(outer *fields) *Failure {
	f := outer.nested("failure")
	failure := new(Failure)
	for f.next() {
		switch f.num {
		case 1:
			failure.Type = f.string()
		case 2:
			failure.Message = f.string()
		case 3:
			failure.Stack = f.string()
		case 4:
			failure.NonRetriable = f.bool()
		default:
			f.unknown()
		}
	}
	outer.done(&f)
	return failure
}
