package history

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"sync"
)

// DecodePayload reads payload into the value that into points to, as
// [json.Unmarshal] does, but loses no number on the way into an any: it becomes
// a float64 where that is written the same again, as most are, and a
// [json.Number] where it is not, as 9007199254740993 or 1.50. So what comes in
// as any goes out as it came.
func DecodePayload(payload json.RawMessage, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || string(payload) == "null" || !holdsAny.of(v.Type().Elem()) {
		return json.Unmarshal(payload, into)
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more behind the end of the JSON value")
	}
	normalizeNumbers(v.Elem())
	return nil
}

// property is something that a type made of others has or has not. What was
// found out about a type is kept.
type property struct {
	find  func(t reflect.Type, seen map[reflect.Type]bool) bool
	known sync.Map // reflect.Type -> bool
}

func (p *property) of(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface, reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
	default:
		return false
	}
	if known, ok := p.known.Load(t); ok {
		return known.(bool)
	}
	found := p.find(t, make(map[reflect.Type]bool))
	p.known.Store(t, found)
	return found
}

// holdsAny is of types whose values can have an any in them that
// [json.Unmarshal] fills.
var holdsAny = property{find: findAny}

var (
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func findAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || readsItself(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findAny(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && findAny(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// readsItself reports whether values of type t have a say in how they are read.
func readsItself(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	p := reflect.PointerTo(t)
	return p.Implements(unmarshalerType) || p.Implements(textType)
}

// normalizeNumbers makes the numbers in v that are written the same as a float64
// one.
func normalizeNumbers(v reflect.Value) {
	if !holdsAny.of(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() && v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(normalized(v.Interface())))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			normalizeNumbers(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			normalizeNumbers(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			normalizeNumbers(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				normalizeNumbers(v.Field(i))
			}
		}
	}
}

// normalized is normalizeNumbers for what [json.Decoder.UseNumber] puts into an any.
func normalized(value any) any {
	switch value := value.(type) {
	case json.Number:
		return number(value)
	case []any:
		for i := range value {
			value[i] = normalized(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = normalized(value[key])
		}
	}
	return value
}

// number is n as a float64 if that is written as n is.
func number(n json.Number) any {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return n
	}
	if text, err := json.Marshal(f); err != nil || string(text) != string(n) {
		return n
	}
	return f
}
