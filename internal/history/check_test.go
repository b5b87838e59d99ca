package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestCheckPayload(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		ok      bool
	}{
		"null":                      {`null`, true},
		"empty":                     {``, false},
		"no JSON":                   {`{`, false},
		"as deep as may be":         {nested(MaxDepth), true},
		"too deep":                  {nested(MaxDepth + 1), false},
		"objects too deep":          {strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), false},
		"wide, not deep":            {"[" + strings.Repeat("[],", 5000) + "[]]", true},
		"brackets in a string":      {`["` + strings.Repeat("[{", 5000) + `"]`, true},
		"brackets behind a quote":   {`["\"` + strings.Repeat("[", 5000) + `\\"]`, true},
		"deep behind a string":      {`["\\",` + nested(MaxDepth) + `]`, false},
		"no UTF-8":                  {"\"\xff\"", false},
		"a lone surrogate, escaped": {`"\ud800"`, true},
	} {
		if err := CheckPayload(json.RawMessage(c.payload)); (err == nil) != c.ok {
			t.Errorf("%s: CheckPayload: %v", name, err)
		}
	}
	if err := CheckPayload(nil); err != nil {
		t.Errorf("no payload: %v", err)
	}
}

// What passes decodes within whatever it is put into, and what does not pass is
// refused by the reason.
func FuzzCheckPayload(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\"]"]}`, nested(MaxDepth), nested(MaxDepth + 1), "\"\xff\"", `"\\"`, `["\\",[]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var value any
		if err := CheckPayload(append(json.RawMessage{}, payload...)); err != nil {
			if json.Valid(payload) && depth(payload) <= MaxDepth && bytes.Equal(payload, bytes.ToValidUTF8(payload, nil)) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if err := json.Unmarshal([]byte("[["+string(payload)+"]]"), &value); err != nil {
			t.Fatalf("it does not decode within an answer: %v", err)
		}
		if d := depth(payload); d > MaxDepth {
			t.Fatalf("it is %d levels deep", d)
		}
	})
}

// depth is how deep the arrays and objects of valid JSON lie, by the decoder.
func depth(payload []byte) (deepest int) {
	now := 0
	for dec := json.NewDecoder(bytes.NewReader(payload)); ; {
		token, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			now++
			deepest = max(deepest, now)
		case json.Delim(']'), json.Delim('}'):
			now--
		}
	}
}

func TestTimesThatEveryWireCanTell(t *testing.T) {
	never := time.Unix(1<<63-62135596801, 999999999)
	for name, c := range map[string]struct {
		at   time.Time
		ok   bool
		told time.Time
	}{
		"now":                {time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), true, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)},
		"zero":               {time.Time{}, true, time.Time{}},
		"the first":          {MinTime, true, MinTime},
		"before":             {MinTime.Add(-1), false, MinTime},
		"the last":           {MaxTime, true, MaxTime},
		"after":              {MaxTime.Add(time.Second), false, MaxTime},
		"year 10000 in UTC":  {time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -5*3600)), false, MaxTime},
		"the largest":        {never, false, MaxTime},
		"the smallest":       {time.Unix(math.MinInt64, 0), false, MinTime},
		"beyond ticks":       {time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC), false, MaxTime},
		"year 9999, rounded": {time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), false, MaxTime},
	} {
		if err := CheckTime(c.at); (err == nil) != c.ok {
			t.Errorf("%s: CheckTime: %v", name, err)
		}
		if got := Tellable(c.at); !got.Equal(c.told) {
			t.Errorf("%s: Tellable is %s, want %s", name, got, c.told)
		}
		// What is stored comes back as a time that can be told, whatever it was.
		if back := fromTicks(ticks(c.at)); CheckTime(back) != nil || back.Sub(c.told).Abs() > 100 {
			t.Errorf("%s: stored and read it is %s, want %s", name, back, c.told)
		}
		if _, err := json.Marshal(fromTicks(ticks(c.at))); err != nil {
			t.Errorf("%s: stored and read: %v", name, err)
		}
	}
	for _, n := range []int64{math.MinInt64, -1 << 60, 1 << 60, math.MaxInt64} { // as older builds may have stored
		if back := fromTicks(n); CheckTime(back) != nil {
			t.Errorf("%d ticks read as %v", n, back)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"Order": true, "ä ☃": true, "": false, " ": false, "\xff": false,
		strings.Repeat("x", MaxNameBytes): true, strings.Repeat("x", MaxNameBytes+1): false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%.20q): %v", name, err)
		}
	}
}

func TestCheckTags(t *testing.T) {
	many := map[string]string{}
	for i := range MaxTags + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for _, tags := range []map[string]string{{"\xff": "a"}, {"a": "\xff"}, many,
		{strings.Repeat("x", MaxNameBytes+1): ""}, {"a": strings.Repeat("x", MaxTagsBytes)}} {
		if CheckTags(tags) == nil {
			t.Errorf("CheckTags(%.100q) finds nothing wrong", tags)
		}
	}
	if err := CheckTags(map[string]string{"team": "ä"}); err != nil {
		t.Errorf("CheckTags: %v", err)
	}
}

func TestCheckVersionAndReason(t *testing.T) {
	for text, ok := range map[string]bool{"": true, strings.Repeat("x", MaxNameBytes): true, strings.Repeat("x", MaxNameBytes+1): false, "\xff": false} {
		if err := CheckVersion(text); (err == nil) != ok {
			t.Errorf("CheckVersion(%.20q): %v", text, err)
		}
	}
	for length, ok := range map[int]bool{2: true, MaxReasonBytes: true, MaxReasonBytes + 1: false} {
		if err := CheckReason(json.RawMessage(`"` + strings.Repeat("x", length-2) + `"`)); (err == nil) != ok {
			t.Errorf("CheckReason of %d bytes: %v", length, err)
		}
	}
	if CheckReason(json.RawMessage("{")) == nil {
		t.Error("CheckReason finds nothing wrong with what is not JSON")
	}
}

func BenchmarkCheckEncodedSmall(b *testing.B) {
	payload := json.RawMessage(`{"order":"A-17","total":12.5,"lines":[{"sku":"x","n":2}]}`)
	for b.Loop() {
		if CheckEncoded(payload) != nil {
			b.Fatal("refused")
		}
	}
}
