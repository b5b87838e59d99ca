package perdure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
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
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) > 0 && !json.Valid(raw) {
			return nil, &ConversionError{What: "raw payload", Type: "json.RawMessage", Err: fmt.Errorf("%.64q is not valid JSON", raw)}
		}
		return bytes.Clone(raw), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, &ConversionError{What: "payload", Type: fmt.Sprintf("%T", v), Err: err}
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// decodeInto reads payload, of what, into the value that into points to. Null
// and an absent payload leave the zero value.
func decodeInto(payload json.RawMessage, into any, what string) error {
	if raw, ok := into.(*json.RawMessage); ok {
		*raw = bytes.Clone(payload)
		return nil
	}
	if len(payload) == 0 {
		return nil
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return &ConversionError{What: what, Type: reflect.TypeOf(into).Elem().String(), Err: err}
	}
	return nil
}
