package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/nearest"
)

// quiet is a tool whose output nobody reads.
func quiet() *tool {
	return &tool{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, terminal: func(any) bool { return false }, doubt: time.Hour}
}

func TestNormalize(t *testing.T) {
	for _, tt := range []struct {
		in   []string
		want []string // nil: a usage error
	}{
		{[]string{"durable", "start-new"}, []string{"start-new"}},
		{[]string{"DURABLE", "Start-New", "--id", "Ab"}, []string{"start-new", "--id=Ab"}},
		{[]string{"help", "durable", "Start-New"}, []string{"help", "start-new"}},
		{[]string{"durable"}, []string{}},
		{[]string{"x", "--id=a=b"}, []string{"x", "--id=a=b"}},
		{[]string{"x", "--id:a=b"}, []string{"x", "--id=a=b"}},
		{[]string{"x", "--show-input"}, []string{"x", "--show-input=true"}},
		{[]string{"x", "--show-input", "TRUE", "--id", "a"}, []string{"x", "--show-input=true", "--id=a"}},
		{[]string{"x", "--show-input=False"}, []string{"x", "--show-input=false"}},
		{[]string{"x", "--show-input", "--id", "a"}, []string{"x", "--show-input=true", "--id=a"}},
		{[]string{"x", "--id", "a", "--show-input", "maybe"}, nil},
		{[]string{"x", "--show-input", "no"}, nil},
		{[]string{"x", "--dry-run", "order-17"}, []string{"x", "order-17", "--dry-run=true"}},
		{[]string{"x", "--input", "--", "-5"}, []string{"x", "--input=-5"}},
		{[]string{"x", "--input=-5"}, []string{"x", "--input=-5"}},
		{[]string{"x", "--input", "-5"}, nil},
		{[]string{"x", "--input", "-"}, []string{"x", "--input=-"}},
		{[]string{"x", "--input", "/a b"}, []string{"x", "--input=/a b"}},
		{[]string{"x", "--input", ""}, []string{"x", "--input="}},
		{[]string{"x", "--id", ""}, nil},
		{[]string{"x", "--id"}, nil},
		{[]string{"x", "--id", "--input"}, nil},
		{[]string{"x", "-?"}, []string{"x", "--help"}},
		{[]string{"x", "---HELP", "-h"}, []string{"x", "---HELP", "--help"}},
		{[]string{"x", "--", "--id"}, []string{"x", "--", "--id"}},
		{[]string{"x", "--yes", "--", "a"}, []string{"x", "a", "--yes=true"}},
		{[]string{"x", "--ID", "a"}, []string{"x", "a", "--ID"}},
		{[]string{"--script-root", "d", "x", "--prefix", "e"}, []string{"x"}},
		{[]string{"x", "--runtime-status", "running", "completed", "--top", "3"}, []string{"x", "--runtime-status=running,completed", "--top=3"}},
		{[]string{"x", "--runtime-status", "running completed"}, []string{"x", "--runtime-status=running completed"}},
		{[]string{"x", "--runtime-status", ""}, []string{"x", "--runtime-status="}},
		{[]string{"start-new", "--version", "7"}, []string{"start-new", "--version=7"}},
		{[]string{"durable", "Start-New", "--version=7"}, []string{"start-new", "--version=7"}},
		{[]string{"--version"}, []string{"--version"}},
		{[]string{"__complete", "Durable", "get-history", "--id", ""}, []string{"__complete", "get-history", "--id", ""}},
		{[]string{"__complete", "durable"}, []string{"__complete", "durable"}},
		{[]string{"__complete", ""}, []string{"__complete", ""}},
		{[]string{"__complete"}, []string{"__complete"}},
	} {
		got, _, err := normalize(tt.in)
		if (err == nil) != (tt.want != nil) || err == nil && !cmp.Equal(got, tt.want) {
			t.Errorf("normalize(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	if _, g, _ := normalize([]string{"--script-root", "d", "--prefix=e"}); g.dir != "d" {
		t.Errorf("normalize takes directory %q, want the first one", g.dir)
	}
}

// Every option of every command is in the table of options, and the other way
// round.
func TestOptionsAreThoseOfTheCommands(t *testing.T) {
	root := quiet().command()
	declared := map[string]bool{}
	commands := append(root.Commands(), root)
	for _, cmd := range root.Commands() {
		commands = append(commands, cmd.Commands()...)
	}
	for _, cmd := range commands {
		for name := range options {
			long := strings.TrimPrefix(name, "--")
			if long != name && (cmd.Flags().Lookup(long) != nil || cmd.PersistentFlags().Lookup(long) != nil) {
				declared[name] = true
			}
			if short := strings.TrimPrefix(name, "-"); len(short) == 1 && (cmd.Flags().ShorthandLookup(short) != nil || cmd.PersistentFlags().ShorthandLookup(short) != nil) {
				declared[name] = true
			}
		}
	}
	for name := range options {
		if !declared[name] {
			t.Errorf("no command has option %s", name)
		}
	}
}

func TestInlineJSON(t *testing.T) {
	for in, want := range map[string]string{
		"3": "3", "abc": `"abc"`, `{"name":"John Smith"}`: `{"name":"John Smith"}`, "": `""`, " ": `" "`, "null": "null", "true": "true",
		"12345678901234567890": "12345678901234567890", "a<b": `"a<b"`, `"x"`: `"x"`, "01": `"01"`,
	} {
		if got, err := inlineJSON("--input", in); err != nil || string(got) != want {
			t.Errorf("inlineJSON(%q) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`{"a":`, "[1", `"x`, ` {`} {
		if got, err := inlineJSON("--input", in); exitCode(err) != 2 {
			t.Errorf("inlineJSON(%q) = %s, %v; want a usage error", in, got, err)
		}
	}
}

// Whatever is typed, it is read or refused: no panic, no hang.
func FuzzArguments(f *testing.F) {
	f.Add("durable start-new --function-name F --input {\"a\":1} --show-input")
	f.Add("get-runtime-status --id:x --output=json -- --what -? --show-output yes")
	f.Add("get-instances --runtime-status a b --top -1 --compat core-tools --version")
	f.Add("__complete durable get-instances --runtime-status ")
	f.Add("import @x - --input -- -5 --yes-")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		tool := quiet()
		root := tool.command()
		tool.readCompat(words)
		args, _, err := normalize(words)
		if err != nil {
			if exitCode(err) != 2 {
				t.Errorf("normalize(%q) error = %v, want a usage error", words, err)
			}
			return
		}
		if commandName(root, words) == "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") && root.RunE == nil {
			t.Errorf("no command for %q", words)
		}
		unquote(args)
		if cmd, rest, err := root.Find(args); err == nil && cmd.ParseFlags(rest) == nil && cmd.Args != nil {
			cmd.Args(cmd, cmd.Flags().Args())
		}
	})
}

func FuzzInlineJSON(f *testing.F) {
	f.Add(`{"a":1}`)
	f.Add(`"x`)
	f.Fuzz(func(t *testing.T, value string) {
		payload, err := inlineJSON("--input", value)
		if err == nil && checkJSON(payload) != nil {
			t.Errorf("inlineJSON(%q) = %q, which is not JSON", value, payload)
		}
		fileJSON("file", []byte(value))
	})
}

func TestParseInstant(t *testing.T) {
	now := time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2024-03-10T13:57:31Z": "2024-03-10T13:57:31Z", "2024-03-10T23:59Z": "2024-03-10T23:59:00Z",
		"2024-03-10T13:57:31": "2024-03-10T13:57:31Z", "2024-03-10t13:57": "2024-03-10T13:57:00Z", "2024-03-10 13:57": "2024-03-10T13:57:00Z",
		"2024-03-10": "2024-03-10T00:00:00Z", "2024-11-14T19:35:00.0000001Z": "2024-11-14T19:35:00.0000001Z",
		"2024-03-10T13:57:31+02:00": "2024-03-10T11:57:31Z", "2024-03-10T13:57-05:00": "2024-03-10T18:57:00Z",
		"24h": "2024-03-09T12:00:00Z", "7d": "2024-03-03T12:00:00Z", "1d12h": "2024-03-09T00:00:00Z", "0.5d": "2024-03-10T00:00:00Z",
		"90s": "2024-03-10T11:58:30Z",
	} {
		if at, err := parseInstant(text, now, false); err != nil || instant(at) != want {
			t.Errorf("parseInstant(%q) = %s, %v; want %s", text, instant(at), err, want)
		}
	}
	if at, err := parseInstant("2h", now, true); err != nil || instant(at) != "2024-03-10T14:00:00Z" {
		t.Errorf("parseInstant(2h, ahead) = %s, %v; want two hours later", instant(at), err)
	}
	for _, text := range []string{"", "x", "01/02/2024", "2024-13-01", "-1h", "0s", "d", "7days", "NaNd", "1e9d", "2024-03-10T25:00Z", "9999999h9999999h"} {
		if at, err := parseInstant(text, now, false); err == nil {
			t.Errorf("parseInstant(%q) = %s, want an error", text, instant(at))
		}
	}
}

func FuzzParseInstant(f *testing.F) {
	for _, seed := range []string{"2024-03-10T13:57:31.5+02:00", "7d", "1d2h", "Infd", "2024-03-10 "} {
		f.Add(seed)
	}
	now := time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseInstant(text, now, false)
		if d, notDuration := parseDuration(text); notDuration == nil && (d < 0 || err != nil) {
			t.Errorf("parseDuration(%q) = %v, parseInstant error %v", text, d, err)
		}
		if err == nil && at.Location() != time.UTC {
			t.Errorf("parseInstant(%q) = %v, want UTC", text, at)
		}
	})
}

func TestParseStatuses(t *testing.T) {
	both := []history.RuntimeStatus{history.Running, history.Completed}
	for _, tt := range []struct {
		in   []string
		want []history.RuntimeStatus
	}{
		{nil, nil}, {[]string{"running completed"}, both}, {[]string{"RUNNING,Completed"}, both},
		{[]string{"running", "completed"}, both}, {[]string{" 0 ,, 1"}, both}, {[]string{"suspended"}, []history.RuntimeStatus{history.Suspended}},
	} {
		if got, err := parseStatuses(tt.in); err != nil || !cmp.Equal(got, tt.want) {
			t.Errorf("parseStatuses(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	for _, word := range []string{"complete", "8", "-1", "running;completed", "", " ,"} {
		if got, err := parseStatuses([]string{word}); exitCode(err) != 2 || !strings.Contains(err.Error(), strings.Trim(word, " ,")) {
			t.Errorf("parseStatuses(%q) = %v, %v; want a usage error that names it", word, got, err)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for word, want := range map[string]string{"get-instancs": "get-instances", "termnate": "terminate", "xyz": "", "wiat": "wait", "get": "get-instances", "rest": "restart", "wait": "", "ga": ""} {
		names := []string{"get-instances", "terminate", "wait", "restart"}
		if got := nearest.Hint(word, names); want == "" && got != "" || want != "" && got != "; did you mean "+want+"?" {
			t.Errorf("nearest.Hint(%q) = %q, want %q", word, got, want)
		}
	}
}

// Every command is in the list, has an example of itself and describes its flags.
func TestEveryCommandHasAnExample(t *testing.T) {
	root := quiet().command()
	var classic []string
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "classic" {
			classic = append(classic, cmd.Name())
		}
		if !strings.HasPrefix(cmd.Example, "  perdure "+cmd.Name()) || cmd.Short == "" {
			t.Errorf("%s: example %q, short help %q", cmd.Name(), cmd.Example, cmd.Short)
		}
	}
	want := []string{"start-new", "get-runtime-status", "get-history", "get-instances", "raise-event", "terminate", "rewind", "purge-history", "delete-task-hub"}
	if !slices.Equal(classic, want) {
		t.Errorf("classic commands are %q, want %q", classic, want)
	}
}

func TestOptionsGivenTwiceAreRefused(t *testing.T) {
	for name, kind := range options {
		if kind == list || name == "--tag" || strings.HasPrefix(name, "-") && !strings.HasPrefix(name, "--") {
			continue
		}
		words := []string{"start-new", name + "=true", name + "=false"}
		if _, g, err := normalize(words); err != nil || g.twice != name && longNames[name] != g.twice {
			t.Errorf("normalize(%q) finds %q given twice, %v; want %s", words, g.twice, err, name)
		}
		if code := quiet().run(t.Context(), words); code != 2 {
			t.Errorf("%q = %d, want 2", words, code)
		}
	}
	for short, long := range longNames {
		words := []string{"start-new", short + "=true", long + "=true"}
		if _, g, _ := normalize(words); g.twice != long {
			t.Errorf("normalize(%q) finds %q given twice, want %s", words, g.twice, long)
		}
	}
}

func TestErrorsInTablesAreShort(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"it broke", "it broke"},
		{"", ""},
		{strings.Repeat("é", maxErrorText), strings.Repeat("é", maxErrorText)},
		{strings.Repeat("é", maxErrorText+1), strings.Repeat("é", maxErrorText-1) + "…"},
	} {
		if got := shortError(tt.text); got != tt.want {
			t.Errorf("shortError(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}
