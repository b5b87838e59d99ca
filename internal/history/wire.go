package history

import (
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of codec.go in protobuf's wire form. An append function leaves a
// field out when its value is the zero value; the …Optional ones say themselves
// what they leave out.

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendStrings(b []byte, num protowire.Number, list []string) []byte {
	for _, s := range list {
		b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
	}
	return b
}

// appendOptionalBytes leaves out nil, but not an empty slice.
func appendOptionalBytes(b []byte, num protowire.Number, v []byte) []byte {
	if v == nil {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendFixed64(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), v)
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	return appendUint(b, num, protowire.EncodeBool(v))
}

func appendInt(b []byte, num protowire.Number, v int64) []byte {
	return appendUint(b, num, protowire.EncodeZigZag(v))
}

// appendInt32s writes a packed list, in protobuf's words.
func appendInt32s(b []byte, num protowire.Number, list []int32) []byte {
	if len(list) == 0 {
		return b
	}
	b, start := open(b, num)
	for _, v := range list {
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(int64(v)))
	}
	return shut(b, start)
}

// appendTimes writes a packed list; the zero time is one like any other.
func appendTimes(b []byte, num protowire.Number, list []time.Time, base int64) []byte {
	if len(list) == 0 {
		return b
	}
	b, start := open(b, num)
	for _, t := range list {
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(ticks(t)-base))
	}
	return shut(b, start)
}

// appendOptionalInt leaves out nothing.
func appendOptionalInt(b []byte, num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), protowire.EncodeZigZag(v))
}

// appendOptionalTime leaves out the zero time.
func appendOptionalTime(b []byte, num protowire.Number, t time.Time, base int64) []byte {
	if t.IsZero() {
		return b
	}
	return appendOptionalInt(b, num, ticks(t)-base)
}

// appendExecutionID writes an id of the usual form as the 16 bytes that it
// spells, and any other as text.
func appendExecutionID(b []byte, raw, text protowire.Number, id ExecutionID) []byte {
	var packed [16]byte
	if !packExecutionID(&packed, id) {
		return appendString(b, text, string(id))
	}
	return protowire.AppendBytes(protowire.AppendTag(b, raw, protowire.BytesType), packed[:])
}

func packExecutionID(packed *[16]byte, id ExecutionID) bool {
	if len(id) != 2*len(packed) {
		return false
	}
	for i := range len(id) {
		var digit byte
		switch c := id[i]; {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		default:
			return false
		}
		packed[i/2] = packed[i/2]<<4 | digit
	}
	return true
}

// open begins a nested message and shut ends it: one byte is kept for the
// length, and what follows moves up in the rare case that it needs more.
func open(b []byte, num protowire.Number) (_ []byte, start int) {
	b = append(protowire.AppendTag(b, num, protowire.BytesType), 0)
	return b, len(b)
}

func shut(b []byte, start int) []byte {
	n := len(b) - start
	if n < 0x80 {
		b[start-1] = byte(n)
		return b
	}
	var padding [9]byte
	size := protowire.SizeVarint(uint64(n))
	b = append(b, padding[:size-1]...)
	copy(b[start-1+size:], b[start:start+n])
	protowire.AppendVarint(b[:start-1], uint64(n))
	return b
}

// ticksPerSecond: times count in 100 ns.
const ticksPerSecond = int64(time.Second / 100)

var (
	minSeconds = MinTime.Unix()
	maxSeconds = MaxTime.Unix()
	maxTicks   = maxSeconds*ticksPerSecond + int64(MaxTime.Nanosecond()/100)
)

// ticks writes what lies beyond [MinTime] and [MaxTime] as these: far away, and
// no number that wraps.
func ticks(t time.Time) int64 {
	if sec := t.Unix(); sec < minSeconds || sec > maxSeconds {
		t = Tellable(t)
	}
	return t.Unix()*ticksPerSecond + int64(t.Nanosecond()/100)
}

// fromTicks is the inverse of ticks; the zero time comes back as time.Time{}.
// Older builds stored times that cannot be told.
func fromTicks(n int64) time.Time {
	n = min(max(n, minSeconds*ticksPerSecond), maxTicks)
	return time.Unix(n/ticksPerSecond, n%ticksPerSecond*100).UTC()
}

// fields walks over the fields of one message. The methods named after a type
// read the current field's value; the first thing wrong ends the walk and is
// kept in err.
type fields struct {
	message string // its name, for errors
	rest    []byte
	num     protowire.Number
	typ     protowire.Type
	n       uint64 // of a varint or fixed64 field
	raw     []byte // of a length-delimited field
	err     error
}

func (f *fields) next() bool {
	if f.err != nil || len(f.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return f.broken(protowire.ParseError(n))
	}
	f.rest, f.num, f.typ = f.rest[n:], num, typ
	switch typ {
	case protowire.VarintType:
		f.n, n = protowire.ConsumeVarint(f.rest)
	case protowire.Fixed64Type:
		f.n, n = protowire.ConsumeFixed64(f.rest)
	case protowire.BytesType:
		f.raw, n = protowire.ConsumeBytes(f.rest)
	default:
		return f.broken(fmt.Errorf("wire type %d is not used", typ))
	}
	if n < 0 {
		return f.broken(protowire.ParseError(n))
	}
	f.rest = f.rest[n:]
	return true
}

// broken ends the walk and returns false.
func (f *fields) broken(err error) bool {
	if f.err == nil {
		f.err = fmt.Errorf("%s, field %d: %w", f.message, f.num, err)
	}
	return false
}

func (f *fields) unknown() { f.broken(fmt.Errorf("unknown field")) }

func (f *fields) want(typ protowire.Type) bool {
	return f.typ == typ || f.broken(fmt.Errorf("wire type %d, not %d", f.typ, typ))
}

func (f *fields) uint() uint64 {
	if !f.want(protowire.VarintType) {
		return 0
	}
	return f.n
}

func (f *fields) fixed64() uint64 {
	if !f.want(protowire.Fixed64Type) {
		return 0
	}
	return f.n
}

func (f *fields) bool() bool { return protowire.DecodeBool(f.uint()) }

func (f *fields) int() int64 { return protowire.DecodeZigZag(f.uint()) }

func (f *fields) int32() int32 { return f.narrow(f.int()) }

func (f *fields) narrow(v int64) int32 {
	if v < math.MinInt32 || v > math.MaxInt32 {
		f.broken(fmt.Errorf("%d does not fit 32 bits", v))
	}
	return int32(v)
}

// packed yields the numbers of a packed list.
func (f *fields) packed(yield func(int64) bool) {
	for rest := f.bytes(); len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			f.broken(protowire.ParseError(n))
			return
		}
		if !yield(protowire.DecodeZigZag(v)) {
			return
		}
		rest = rest[n:]
	}
}

// int32s appends a packed list to list.
func (f *fields) int32s(list []int32) []int32 {
	for v := range f.packed {
		list = append(list, f.narrow(v))
	}
	return list
}

// times appends a packed list to list.
func (f *fields) times(list []time.Time, base int64) []time.Time {
	for v := range f.packed {
		list = append(list, fromTicks(base+v))
	}
	return list
}

func (f *fields) time(base int64) time.Time { return fromTicks(base + f.int()) }

// bytes returns a part of the input, never nil.
func (f *fields) bytes() []byte {
	if !f.want(protowire.BytesType) {
		return nil
	}
	return f.raw[:len(f.raw):len(f.raw)]
}

func (f *fields) string() string { return string(f.bytes()) }

func (f *fields) executionID() ExecutionID {
	raw := f.bytes()
	if len(raw) != 16 {
		f.broken(fmt.Errorf("execution id of %d bytes, not 16", len(raw)))
	}
	return ExecutionID(hex.EncodeToString(raw))
}

// status maps what this build cannot name to Unknown.
func (f *fields) status() RuntimeStatus {
	v := f.int()
	if v < 0 || v >= int64(len(statusNames)) {
		return Unknown
	}
	return RuntimeStatus(v)
}

func (f *fields) kind() Kind {
	v := f.uint()
	if v > math.MaxInt8 || !Kind(v).Known() {
		f.broken(fmt.Errorf("event kind %d is not known", v))
	}
	return Kind(v)
}

// nested walks over the message in the current field.
func (f *fields) nested(message string) fields { return fields{message: message, rest: f.bytes()} }

// done takes over what went wrong in a nested walk.
func (f *fields) done(in *fields) {
	if in.err != nil && f.err == nil {
		f.err = fmt.Errorf("%s: %w", f.message, in.err)
	}
}
