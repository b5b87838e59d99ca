package config

import (
	"encoding/json"
	"testing"
)

func TestStandardize(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"a":1}`, `{"a":1}`},
		{"\uFEFF{}", `{}`},
		{"{// x\n}", "{    \n}"},
		{`{/* , } */"a":1}`, `{         "a":1}`},
		{`{"a":1,}`, `{"a":1 }`},
		{`[1, /* x */ ]`, `[1          ]`},
		{`{"a":"//,}"}`, `{"a":"//,}"}`},
		{`{"a":"\"/*,]"}`, `{"a":"\"/*,]"}`},
		{`{"a" /* open`, `{"a"  * open`},
		{`{"a`, `{"a`},
		{`{"a\`, `{"a\`},
	} {
		if got := string(standardize([]byte(tt.in))); got != tt.want {
			t.Errorf("standardize(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzStandardize(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2,],}`, "\uFEFF{}//", `{/*`, `"\`, `{"a":"/*"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := standardize(text)
		if json.Valid(text) && string(got) != string(text) {
			t.Errorf("standardize(%q) = %q, want strict JSON unchanged", text, got)
		}
		if twice := standardize(got); json.Valid(got) && string(twice) != string(got) {
			t.Errorf("standardize(%q) = %q, want it unchanged", got, twice)
		}
		parseTree("file", text)
	})
}
