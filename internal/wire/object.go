package wire

import (
	"bytes"
	"encoding/json"
	"time"
)

// Object builds a JSON object whose keys keep their order and whose payloads
// keep their bytes; encoding/json offers neither.
type Object struct {
	text []byte
}

// Raw adds a member; no value is null.
func (o *Object) Raw(key string, value json.RawMessage) *Object {
	separator := byte(',')
	if len(o.text) == 0 {
		separator = '{'
	}
	if len(value) == 0 {
		value = json.RawMessage("null")
	}
	o.text = append(append(append(append(o.text, separator), Quote(key)...), ':'), value...)
	return o
}

// Str adds a text.
func (o *Object) Str(key, value string) *Object { return o.Raw(key, Quote(value)) }

// Open returns the object without its end, for who goes on writing it.
func (o *Object) Open() []byte { return o.text }

// JSON returns the object; nothing may be added afterwards.
func (o *Object) JSON() json.RawMessage {
	if len(o.text) == 0 {
		return json.RawMessage("{}")
	}
	return append(o.text, '}')
}

// Encode is json.Marshal that leaves <, > and & as they are.
func Encode(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// Quote returns text as JSON.
func Quote(text string) json.RawMessage {
	quoted, _ := Encode(text) // a string always has a JSON form
	return quoted
}

// Unquote returns the text of a JSON string, other JSON as it is, "" for null.
func Unquote(value json.RawMessage) string {
	var text string
	switch {
	case len(value) == 0:
		return ""
	case json.Unmarshal(value, &text) == nil:
		return text
	}
	return string(value)
}

// Instant is a time in full precision (docs/contracts/http-api.md 2.3).
func Instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// Second is a time in whole seconds.
func Second(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }
