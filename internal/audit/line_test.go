package audit

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestALineHidesNothingFromATerminal(t *testing.T) {
	const nasty = "a\u009b31m\u202eb\u200bc\u2028d\x7fe\x1b[0m\U000e0041f\xff"
	members, err := encode([]slog.Attr{slog.String("reason", nasty)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range string(members) {
		if r < ' ' || r > '~' {
			t.Errorf("line holds %U as it is: %q", r, members)
		}
	}
	var got struct{ Reason string }
	body := appendBody(nil, 1, time.Unix(0, 0), members)
	if err := json.Unmarshal(append(body, '}'), &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(nasty, "\ufffd"); got.Reason != want {
		t.Errorf("reason reads back as %q, want %q", got.Reason, want)
	}
}

func TestALineThatIsTooLongIsRefused(t *testing.T) {
	if _, err := encode([]slog.Attr{slog.String("reason", strings.Repeat("x", maxLine))}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("encode of a long line = %v, want it refused", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("", []byte(`{"n":1,"what":"x"`))
	f.Add("ab", []byte(`{"n":1,"hash":"`))
	f.Fuzz(func(t *testing.T, previous string, text []byte) {
		if body, hash, ok := open(text); ok && len(body)+len(hash) > len(text) {
			t.Errorf("open(%q) = %q, %q", text, body, hash)
		}
		hash := sum(previous, text)
		line := append(append(append([]byte(nil), text...), hashMember+hash...), lineEnd...)
		body, got, ok := open(line)
		if want := len(text) >= 2 && text[0] == '{'; ok != want {
			t.Errorf("open(%q) is a line: %v, want %v", line, ok, want)
		} else if ok && (got != hash || string(body) != string(text)) {
			t.Errorf("open(%q) = %q, %q, want %q, %q", line, body, got, text, hash)
		}
	})
}

// Whatever a file holds: the chain goes on behind it, and what is put there is found again.
func FuzzFile(f *testing.F) {
	f.Add([]byte(""))
	members, _ := encode([]slog.Attr{slog.String("what", whatFile), slog.Int("file", 1), slog.String("previous", "")})
	first := appendBody(nil, 1, time.Unix(0, 0), members)
	hash := sum("", first)
	first = append(append(append(first, hashMember...), hash...), lineEnd...)
	f.Add(first)
	f.Add(append(first, `{"n":2,"time":"1970-01-01T00:00:00Z","wha`...))
	f.Add(append(first, first...))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := filepath.Join(t.TempDir(), "audit")
		write(t, filepath.Join(dir, "2026-11-26.jsonl"), text)
		l := openLog(t, dir, Options{})
		l.sync = func(*os.File) error { return nil }
		n, err := l.Append(slog.String("what", "next"))
		if err != nil {
			t.Fatal(err)
		}
		for line, err := range Lines(dir) {
			if err != nil {
				t.Fatal(err)
			}
			if line.N == n && line.What == "next" {
				n = 0
			}
		}
		if n > 0 {
			t.Errorf("line %d is not there", n)
		}
		if _, err := Verify(dir, ""); err != nil {
			t.Error(err)
		}
	})
}
