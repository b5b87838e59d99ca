package engine

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/perdure/perdure/history"
)

// Whatever an archive says, it is refused as an invalid argument or becomes a
// decision that can be stored and read again.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"live", "ended"} {
		text, err := os.ReadFile("testdata/archive/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var req ImportRequest
		if json.Unmarshal(text, &req.Archive) != nil {
			return
		}
		a, err := checkImport(&req)
		if err != nil {
			if !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("checkImport = %v, want ErrInvalidArgument", err)
			}
			return
		}
		d := a.decide(history.NewNumber(1, 0), history.Instance{})
		if _, err := history.DecodeInstance(history.AppendInstance(nil, &d.row)); err != nil {
			t.Errorf("the row cannot be read again: %v", err)
		}
		if _, err := history.DecodeTurn(1, history.AppendTurn(nil, d.record)); err != nil {
			t.Errorf("the last turn cannot be read again: %v", err)
		}
		for _, rec := range a.earlier {
			if _, err := history.DecodeTurn(rec.Seq, rec.Bytes); err != nil {
				t.Errorf("turn %d cannot be read again: %v", rec.Seq, err)
			}
		}
	})
}
