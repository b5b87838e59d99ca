package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// View says what of an instance is shown.
type View struct {
	Input   bool
	Output  bool
	Custom  bool // the custom status
	Failure bool // why it failed, in details
	History bool
	Results bool // of history events
	Details bool // what only our clients know
}

// form is how a T is written as a JSON object, and read: a row for each member,
// in the order in which they are written.
type form[T any] []member[T]

// member is a member of an object. show returns its value, and false where it
// is left out. read takes a value that is there.
type member[T any] struct {
	name string
	show func(*T, View) (json.RawMessage, bool)
	read func(*T, json.RawMessage) error
}

func (f form[T]) write(o *Object, v *T, view View) {
	for _, m := range f {
		if value, ok := m.show(v, view); ok {
			o.Raw(m.name, value)
		}
	}
}

// read takes the members of an object whose names are in lower case. It ignores
// those that it does not know: newer hosts have more.
func (f form[T]) read(v *T, members map[string]json.RawMessage) error {
	for _, m := range f {
		value, ok := members[strings.ToLower(m.name)]
		if !ok || string(value) == "null" {
			continue
		}
		if err := m.read(v, value); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// members reads an object; names are in lower case then, as no two are told
// apart by case.
func members(text []byte) (map[string]json.RawMessage, error) {
	var written map[string]json.RawMessage
	if err := json.Unmarshal(text, &written); err != nil {
		return nil, err
	}
	lower := make(map[string]json.RawMessage, len(written))
	for name, value := range written {
		lower[strings.ToLower(name)] = value
	}
	return lower, nil
}

// text is a member that is always there.
func text[T any, S ~string](name string, at func(*T) *S) member[T] {
	return member[T]{name,
		func(v *T, _ View) (json.RawMessage, bool) { return Quote(string(*at(v))), true },
		func(v *T, value json.RawMessage) error { return json.Unmarshal(value, at(v)) }}
}

// textIf is a member that is left out where it is empty, and where it is not
// shown.
func textIf[T any, S ~string](name string, shown func(View) bool, at func(*T) *S) member[T] {
	m := text(name, at)
	show := m.show
	m.show = func(v *T, view View) (json.RawMessage, bool) {
		if *at(v) == "" || !shown(view) {
			return nil, false
		}
		return show(v, view)
	}
	return m
}

// payload is a member that is null where it is not shown.
func payload[T any](name string, shown func(View) bool, at func(*T) *json.RawMessage) member[T] {
	return member[T]{name,
		func(v *T, view View) (json.RawMessage, bool) {
			if !shown(view) {
				return nil, true
			}
			return *at(v), true
		},
		func(v *T, value json.RawMessage) error { *at(v) = value; return nil }}
}

// moment is a time, written by how; zero times are left out if they may be.
func moment[T any](name string, how func(time.Time) string, optional bool, at func(*T) *time.Time) member[T] {
	return member[T]{name,
		func(v *T, _ View) (json.RawMessage, bool) {
			return Quote(how(*at(v))), !optional || !at(v).IsZero()
		},
		func(v *T, value json.RawMessage) error { return json.Unmarshal(value, at(v)) }}
}

func always(View) bool { return true }
