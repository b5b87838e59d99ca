package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/host"
)

// The scripts run the real program as users do. "host start" runs a function
// app in the script's directory, in this process, and returns once it is ready; "host
// stop" ends it.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"perdure": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"host": hostCommand},
		Setup: func(env *testscript.Env) error {
			env.Values[hostKey{}] = &hosted{}
			return nil
		},
	})
}

type hostKey struct{}

// hosted is the app that a script runs.
type hosted struct {
	stop func() error // nil: none
}

func hostCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: host start [wait ID ...] | host stop")
	}
	h := ts.Value(hostKey{}).(*hosted)
	switch {
	case args[0] == "start" && h.stop == nil:
		h.start(ts, ts.MkAbs("."), args[1:])
	case args[0] == "stop" && h.stop != nil:
		ts.Check(h.end())
	default:
		ts.Fatalf("host %v: it is not the time for that", args)
	}
}

// start runs the app until it is ready and the instances ids have ended.
func (h *hosted) start(ts *testscript.TestScript, dir string, ids []string) {
	app := perdure.New()
	app.AddOrchestrator("Echo", echo)
	app.AddOrchestrator("Wait", wait)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan error, 1), make(chan error, 1)
	go func() { // stop waits for it
		ended <- host.Run(ctx, app, host.Options{Dir: dir, Environ: []string{}, OnReady: func(ctx context.Context, info host.Info) error {
			for _, id := range ids {
				if _, err := info.Client.WaitForCompletion(ctx, id); err != nil {
					return err
				}
			}
			ready <- nil
			return nil
		}})
	}()
	h.stop = func() error { cancel(); return <-ended }
	ts.Defer(func() { ts.Check(h.end()) })
	select {
	case <-ready:
	case err := <-ended:
		h.stop = nil
		ts.Fatalf("host: %v", err)
	}
}

// end stops the app, if there is one.
func (h *hosted) end() error {
	if h.stop == nil {
		return nil
	}
	stop := h.stop
	h.stop = nil
	return stop()
}

func echo(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

func wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
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
		{[]string{"x", "--show-input", "maybe"}, nil},
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
		{[]string{"x", "--", "--id"}, []string{"x", "--id"}},
		{[]string{"x", "--ID", "a"}, []string{"x", "a", "--ID"}},
		{[]string{"--script-root", "d", "x", "--prefix", "e"}, []string{"x"}},
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
	root := (&tool{stdout: io.Discard, stderr: io.Discard}).command()
	declared := map[string]bool{}
	commands := append(root.Commands(), root)
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

func FuzzArguments(f *testing.F) {
	f.Add("durable start-new --function-name F --input {\"a\":1} --show-input")
	f.Add("get-runtime-status --id:x --output=json -- --what -? --show-output yes")
	f.Fuzz(func(t *testing.T, line string) {
		args, _, err := normalize(strings.Split(line, " "))
		if err != nil {
			return
		}
		root := (&tool{stdout: io.Discard, stderr: io.Discard}).command()
		if cmd, rest, err := root.Find(args); err == nil {
			cmd.ParseFlags(rest)
		}
		inlineJSON("--input", line)
	})
}
