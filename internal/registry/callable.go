package registry

import (
	"fmt"
	"reflect"

	"github.com/perdure/perdure/history"
)

// Callable is a Go function of the shape func(C, In) (Out, error), its types
// erased.
type Callable struct {
	value reflect.Value
	in    reflect.Type
}

var errorType = reflect.TypeFor[error]()

// NewCallable checks that fn has the shape, with first as C.
func NewCallable(fn any, first reflect.Type) (*Callable, error) {
	if fn == nil {
		return nil, fmt.Errorf("the function is nil; pass a %s", shape(first))
	}
	v := reflect.ValueOf(fn)
	t := v.Type()
	if t.Kind() != reflect.Func {
		return nil, fmt.Errorf("%s is not a function; pass a %s", t, shape(first))
	}
	if t.NumIn() != 2 || t.IsVariadic() || t.In(0) != first || t.NumOut() != 2 || t.Out(1) != errorType {
		return nil, fmt.Errorf("the function is a %s; make it a %s", t, shape(first))
	}
	if v.IsNil() {
		return nil, fmt.Errorf("the function is nil; pass a %s", shape(first))
	}
	if err := history.CheckPayloadType(t.In(1)); err != nil {
		return nil, fmt.Errorf("its input does not travel: %w", err)
	}
	if err := history.CheckPayloadType(t.Out(0)); err != nil {
		return nil, fmt.Errorf("its result does not travel: %w", err)
	}
	return &Callable{value: v, in: t.In(1)}, nil
}

func shape(first reflect.Type) string { return fmt.Sprintf("func(%s, In) (Out, error)", first) }

// Code identifies the function's code; see [Identified].
func (c *Callable) Code() uintptr { return c.value.Pointer() }

// Call runs the function on the input that decode reads.
func (c *Callable) Call(first reflect.Value, decode func(into any) error) (out any, err error) {
	in := reflect.New(c.in)
	if err := decode(in.Interface()); err != nil {
		return nil, err
	}
	results := c.value.Call([]reflect.Value{first, in.Elem()})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	return results[0].Interface(), nil
}
