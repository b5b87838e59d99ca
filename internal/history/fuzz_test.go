package history

import (
	"reflect"
	"testing"
)

// Whatever the bytes, decoding does not panic; and what it returns comes back
// from its encoded form.

func FuzzDecodeTurn(f *testing.F) {
	for _, ev := range samples() {
		f.Add(AppendTurn(nil, &Turn{At: noon, Events: []Event{ev}}))
		f.Add(AppendTurn(nil, &Turn{Events: []Event{ev, ev}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeTurn(1, b)
		if err != nil {
			return
		}
		again, err := DecodeTurn(1, AppendTurn(nil, &got))
		checkAgain(t, b, got, again, err)
	})
}

func FuzzDecodeInstance(f *testing.F) {
	f.Add(AppendInstance(nil, &Instance{
		Number: NewNumber(noon.UnixMicro(), 1), ID: "i", ExecutionID: someExecution, CreatedAt: noon, UpdatedAt: noon,
		CustomStatus: []byte(`1`), Tags: map[string]string{"a": "b"}, Parent: &Parent{Name: "p"},
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeInstance(b)
		if err != nil {
			return
		}
		again, err := DecodeInstance(AppendInstance(nil, &got))
		checkAgain(t, b, got, again, err)
	})
}

func FuzzDecodeMessage(f *testing.F) {
	for _, ev := range samples() {
		f.Add(AppendMessage(nil, &Message{To: "i", ExecutionID: someExecution, Event: ev}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeMessage(b)
		if err != nil {
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, &got))
		checkAgain(t, b, got, again, err)
	})
}

func checkAgain[T any](t *testing.T, b []byte, got, again T, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("decode(%x) = %#v; encoded and decoded again: %#v, error %v", b, got, again, err)
	}
}
