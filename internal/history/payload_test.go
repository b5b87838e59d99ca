package history_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
)

func TestNumbersInAnyAreExact(t *testing.T) {
	for _, tt := range []struct {
		text string
		want any
	}{
		{"0", 0.0}, {"7", 7.0}, {"-7", -7.0}, {"1.5", 1.5}, {"0.1", 0.1}, {"9007199254740992", 9007199254740992.0}, {"1e+21", 1e21}, {"-0", nil},
		{"9007199254740993", json.Number("9007199254740993")},
		{"-9007199254740993", json.Number("-9007199254740993")},
		{"18446744073709551615", json.Number("18446744073709551615")},
		{"0.1000000000000000055511151231257827", json.Number("0.1000000000000000055511151231257827")},
		{"1e400", json.Number("1e400")}, {"1.50", json.Number("1.50")}, {"1E5", json.Number("1E5")},
		{"null", nil}, {`"9007199254740993"`, "9007199254740993"}, {"true", true},
	} {
		var plain any
		if err := history.DecodePayload(json.RawMessage(tt.text), &plain); err != nil {
			t.Errorf("DecodePayload(%s) = %v", tt.text, err)
			continue
		}
		if tt.want != nil && plain != tt.want {
			t.Errorf("DecodePayload(%s) = %T %v, want %T %v", tt.text, plain, plain, tt.want, tt.want)
		}
		for _, nested := range []string{"%s", `[%s]`, `{"a":%s}`, `{"a":[{"b":[%s,1]}]}`} {
			sent := fmt.Sprintf(nested, tt.text)
			var got any
			if err := history.DecodePayload(json.RawMessage(sent), &got); err != nil {
				t.Errorf("DecodePayload(%s) = %v", sent, err)
			}
			if back, err := json.Marshal(got); err != nil || string(back) != sent {
				t.Errorf("%s comes back as %s, %v", sent, back, err)
			}
		}
	}
}

// named reads itself, and what it has put into its any stays.
type named struct{ Value any }

func (n *named) UnmarshalJSON(text []byte) error { n.Value = json.Number(text); return nil }

type tree struct {
	Value    any
	Kind     json.Number
	Exact    float64
	Children []*tree
	ByName   map[string]tree
	Two      [2]any
	Own      named
	embedded
}

type embedded struct{ Inner any }

func TestNumbersInAnyInsideOfTypes(t *testing.T) {
	const big = "9007199254740993"
	var got tree
	sent := `{"Value":` + big + `,"Kind":1,"Exact":1.50,"Children":[{"Value":2},null],"ByName":{"x":{"Value":[3,` + big + `]}},"Two":[4,` + big + `],"Own":5,"Inner":6}`
	if err := history.DecodePayload(json.RawMessage(sent), &got); err != nil {
		t.Fatal(err)
	}
	n := json.Number(big)
	want := tree{
		Value: n, Kind: "1", Exact: 1.5, Children: []*tree{{Value: 2.0}, nil}, ByName: map[string]tree{"x": {Value: []any{3.0, n}}},
		Two: [2]any{4.0, n}, Own: named{json.Number("5")}, embedded: embedded{6.0},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tree{})); diff != "" {
		t.Errorf("DecodePayload (-want +got):\n%s", diff)
	}
}

func TestDecodePayloadRefusesWhatUnmarshalDoes(t *testing.T) {
	for _, text := range []string{"", "x", "1 2", "[1", `{"a":}`, "1]"} {
		for _, into := range []any{new(any), new(map[string]any), new([]any), new(int)} {
			want := json.Unmarshal([]byte(text), reflect.New(reflect.TypeOf(into).Elem()).Interface())
			if err := history.DecodePayload(json.RawMessage(text), into); (err == nil) != (want == nil) {
				t.Errorf("DecodePayload(%q, %T) = %v, json.Unmarshal = %v", text, into, err, want)
			}
		}
	}
}

// Whatever comes in as any goes out as it came, spaces and the order of members
// aside.
func FuzzAnyIsExact(f *testing.F) {
	for _, seed := range []string{"1", "-0", "1e400", `{"a":[1.0,9007199254740993]}`, `[[],{},null,"x"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, twin any
		if !json.Valid([]byte(text)) || history.DecodePayload(json.RawMessage(text), &got) != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.UseNumber()
		if err := d.Decode(&twin); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want, _ := json.Marshal(twin); !bytes.Equal(back, want) {
			t.Errorf("%q comes back as %q, want %q", text, back, want)
		}
	})
}
