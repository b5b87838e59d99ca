package history

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// CheckPayloadType reports why values of type t do not travel as JSON: they
// hold something, and JSON keeps nothing of it, as of a struct without exported
// fields that does not write itself. Of a pointer, slice, array or map it is
// about what that holds.
func CheckPayloadType(t reflect.Type) error {
	if t == nil || !losesAll.of(t) {
		return nil
	}
	return fmt.Errorf("%s has no exported fields, so JSON keeps nothing of it: export them, or give it a MarshalJSON and an UnmarshalJSON", t)
}

// losesAll is of types that hold something of which JSON keeps nothing.
var losesAll = property{find: findLoss}

func findLoss(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || writesItself(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findLoss(t.Elem(), seen)
	case reflect.Struct:
		return t.NumField() > 0 && !keepsField(t, seen)
	}
	return false
}

// keepsField reports whether JSON has anything of the fields of t, or of the
// structs that are embedded in it.
func keepsField(t reflect.Type, seen map[reflect.Type]bool) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Tag.Get("json") == "-":
		case f.IsExported():
			return true
		case f.Anonymous && inner.Kind() == reflect.Struct && !seen[inner]:
			seen[inner] = true
			if keepsField(inner, seen) {
				return true
			}
		}
	}
	return false
}

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// writesItself reports whether values of type t have a say in how they are
// written or read.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(marshalerType) || p.Implements(textMarshalerType) || readsItself(t)
}
