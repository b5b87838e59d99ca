package perdure

import (
	"bytes"
	"encoding/json"
	"testing"
)

// What needs no encoder must be what the encoder makes of it.
func FuzzPlainPayloads(f *testing.F) {
	for _, text := range []string{"", "Tokyo", `"`, `\`, "<b>&", "é", "\x7f", "a\nb", "\xff", `Tokyo"`} {
		f.Add(text, len(text))
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		for _, v := range []any{text, n} {
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			if got, err := encode(v); err != nil || string(got)+"\n" != want.String() {
				t.Errorf("encode(%#v) = %s, %v; want %s", v, got, err, &want)
			}
		}
		for _, payload := range []string{text, `"` + text + `"`} {
			var got, want string
			wantErr := json.Unmarshal([]byte(payload), &want)
			err := decodeInto(json.RawMessage(payload), &got, origin{"payload", ""})
			if payload == "" { // absent
				wantErr = nil
			}
			if (err != nil) != (wantErr != nil) || got != want {
				t.Errorf("decodeInto(%q) = %q, %v; want %q, %v", payload, got, err, want, wantErr)
			}
		}
	})
}
