package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/history"
)

// hidden are characters of every kind that a terminal obeys or that nobody sees.
const hidden = "\x00\x07\x08\x0b\x0c\x0d\x1b\x7f\u0085\u0090\u009b\u009d" + // control
	"\u00ad\u061c\u200b\u200d\u200e\u202a\u202e\u2060\u2066\u2069\ufeff\U000e0041" + // formats and directions
	"\u2028\u2029" + // lines
	"\u034f\u115f\u17b4\u3164\uffa0\ufe0f\U000e0100\u2800" // what shows nothing

// stranger is a host whose every text is what a terminal would obey.
func stranger(t *testing.T) string {
	bad, err := json.Marshal("a" + hidden + "z")
	if err != nil {
		t.Fatal(err)
	}
	raw := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(string(bad)) // as few servers escape
	status := fmt.Sprintf(`{"name":%[1]s,"instanceId":%[1]s,"runtimeStatus":"Failed","input":%[1]s,"customStatus":{%[1]s:1},"output":%[1]s,"createdTime":"2026-01-01T00:00:00Z","lastUpdatedTime":"2026-01-01T00:00:00Z",
		"historyEvents":[{"EventType":"ExecutionStarted","FunctionName":%[1]s,"Timestamp":"2026-01-01T00:00:00Z"},{"EventType":"EventRaised","Name":%[1]s,"Input":%[1]s,"Timestamp":"2026-01-01T00:00:00Z"}]}`, raw)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"Message":%s}`, raw)
		case strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/instances"):
			fmt.Fprintf(w, "[%s]", status)
		default:
			io.WriteString(w, status)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// What others say shows as it is and moves no terminal, on both streams, in every form,
// and JSON still means what it did.
func TestTerminalsGetNoCommands(t *testing.T) {
	url, dir := stranger(t), t.TempDir()
	for _, args := range [][]string{
		{"get-instances"}, {"get-instances", "-o", "json"}, {"get-instances", "-o", "jsonl"}, {"get-instances", "-o", "legacy"},
		{"get-runtime-status", "x"}, {"get-runtime-status", "x", "-o", "json"}, {"get-runtime-status", "x", "-o", "legacy"},
		{"get-runtime-status", "x", "--show-input", "--show-output"},
		{"get-history", "x"}, {"get-history", "x", "-o", "json"}, {"get-history", "x", "-o", "jsonl"}, {"wait", "x"}, {"wait", "x", "-o", "json"},
		{"start-new", "-n", "F"}, {"terminate", "x"}, {"raise-event", "x", "--event-name", "e"}, {"get-runtime-status", "x" + hidden},
		{"explain", "x"}, {"get-instances", "--runtime-status", hidden},
	} {
		for _, atTerminal := range []bool{true, false} {
			p := newPerson(t, dir, "", atTerminal)
			p.does(t, append(args, "--url", url, "--color", "never")...)
			for name, text := range map[string]string{"stdout": p.out.String(), "stderr": p.err.String()} {
				for _, r := range text {
					if !history.Visible(r) && r != '\n' && r != '\t' {
						t.Errorf("%q: %s has %U:\n%q", args, name, r, text)
						break
					}
				}
			}
			if p.out.Len()+p.err.Len() == 0 {
				t.Errorf("%q prints nothing", args)
			}
		}
	}
	p := newPerson(t, dir, "", true)
	p.does(t, "get-runtime-status", "x", "-o", "json", "--url", url)
	var got struct{ Name string }
	if err := json.Unmarshal([]byte(p.out.String()), &got); err != nil || got.Name != "a"+hidden+"z" {
		t.Errorf("JSON means %q, error %v, want %q", got.Name, err, "a"+hidden+"z")
	}
}

// Characters come in pieces, and bytes that are none are shown as such.
func TestScreenKeepsCharactersWhole(t *testing.T) {
	for text, want := range map[string]string{
		"é\u202e€\U0001f600\n\t": `é\u202e€` + "\U0001f600\n\t",
		"a\x9bb\xff":             "a\ufffdb\ufffd",
		"\U000e0041":             `\udb40\udc41`,
	} {
		var b strings.Builder
		s := screenOn(&b)
		for i := range len(text) {
			if n, err := s.Write([]byte{text[i]}); n != 1 || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		if got := b.String(); got != want {
			t.Errorf("%q shows as %q, want %q", text, got, want)
		}
	}
}
