package perdure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/perdure/perdure/internal/history"
)

// ConversionError says that a payload does not have the shape that the code
// expects, or that a value has no JSON form.
type ConversionError struct {
	What string // what was read or written, for example "event Approval"
	Type string // Go type it was read into or written from
	Err  error
}

func (e *ConversionError) Error() string {
	return fmt.Sprintf("%s does not convert between JSON and %s: %v", e.What, e.Type, e.Err)
}

func (e *ConversionError) Unwrap() error { return e.Err }

// encode returns v as JSON. Raw JSON passes as it is.
func encode(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case json.RawMessage:
		if len(v) == 0 {
			return bytes.Clone(v), nil
		}
		if err := history.CheckPayload(v); err != nil {
			return nil, &ConversionError{What: "raw payload", Type: "json.RawMessage", Err: err}
		}
		return bytes.Clone(v), nil
	case string:
		if isPlain(v) {
			return append(append(append(make([]byte, 0, len(v)+2), '"'), v...), '"'), nil
		}
	case None:
		return nil, nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	}
	if err := history.CheckPayloadType(reflect.TypeOf(v)); err != nil {
		return nil, &ConversionError{What: "payload", Type: fmt.Sprintf("%T", v), Err: err}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, &ConversionError{What: "payload", Type: fmt.Sprintf("%T", v), Err: err}
	}
	payload := json.RawMessage(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	if err := history.CheckEncoded(payload); err != nil {
		return nil, &ConversionError{What: "payload", Type: fmt.Sprintf("%T", v), Err: err}
	}
	return payload, nil
}

// origin names a payload: what it is, and of which function or event.
type origin struct{ what, name string }

func (o origin) String() string { return o.what + " " + o.name }

// decodeInto reads payload, which is from, into the value that into points to.
// Null and an absent payload leave the zero value.
func decodeInto(payload json.RawMessage, into any, from origin) error {
	switch into := into.(type) {
	case *None:
		return nil
	case *json.RawMessage:
		*into = bytes.Clone(payload)
		return nil
	case *string:
		if n := len(payload); n >= 2 && payload[0] == '"' && payload[n-1] == '"' && isPlain(payload[1:n-1]) {
			*into = string(payload[1 : n-1])
			return nil
		}
	}
	if len(payload) == 0 {
		return nil
	}
	if err := history.DecodePayload(payload, into); err != nil {
		return &ConversionError{What: from.String(), Type: reflect.TypeOf(into).Elem().String(), Err: err}
	}
	return nil
}

// isPlain reports whether text is the same within the quotes of a JSON string:
// most strings are, and need no encoder.
func isPlain[T string | json.RawMessage](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
