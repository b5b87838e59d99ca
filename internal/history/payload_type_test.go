package history_test

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

type (
	hidden struct{ id string }
	untold struct {
		ID string `json:"-"`
	}
	open       struct{ ID string }
	mixed      struct{ ID, note string }
	embedsOpen struct{ open }
	embedsPtr  struct{ *open }
	embedsHid  struct{ hidden }
	holdsHid   struct{ hidden hidden }
	marshals   struct{ id string }
	reads      struct{ id string }
	texts      struct{ id string }
	embedsTime struct{ time.Time }
	loop       struct{ next *loop }
	openLoop   struct{ Next *openLoop }
	empty      struct{}
	embedsNone struct{ empty }
)

func (marshals) MarshalJSON() ([]byte, error) { return []byte(`1`), nil }
func (*reads) UnmarshalJSON([]byte) error     { return nil }
func (texts) MarshalText() ([]byte, error)    { return nil, nil }

func TestCheckPayloadType(t *testing.T) {
	for _, tt := range []struct {
		value any
		ok    bool
	}{
		{hidden{"x"}, false}, {&hidden{}, false}, {[]hidden{}, false}, {[2]*hidden{}, false}, {map[string]hidden{}, false}, {new(*[]hidden), false},
		{untold{}, false}, {embedsHid{hidden{"x"}}, false}, {holdsHid{hidden{"x"}}, false}, {loop{nil}, false}, {sync.Mutex{}, false}, {embedsNone{empty{}}, false},

		{nil, true}, {1, true}, {"", true}, {[]byte{}, true}, {json.RawMessage{}, true}, {map[string]any{}, true}, {[]any{}, true}, {empty{}, true}, {struct{}{}, true},
		{open{}, true}, {mixed{"x", "y"}, true}, {embedsOpen{}, true}, {embedsPtr{}, true}, {openLoop{}, true},
		{marshals{"x"}, true}, {&marshals{}, true}, {reads{"x"}, true}, {texts{"x"}, true}, {[]texts{}, true},
		{time.Time{}, true}, {&time.Time{}, true}, {embedsTime{}, true}, {time.Second, true}, {big.Int{}, true}, {netip.Addr{}, true}, {url.URL{}, true},
		{func() {}, true}, {make(chan int), true}, // have no JSON form, which encoding tells
	} {
		if err := history.CheckPayloadType(reflect.TypeOf(tt.value)); (err == nil) != tt.ok {
			t.Errorf("CheckPayloadType(%T) = %v, want ok = %t", tt.value, err, tt.ok)
		}
	}
}
