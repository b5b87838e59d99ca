package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/host"
)

// person is a tool that a person runs, on streams that all are terminals, or that
// are none.
type person struct {
	tool
	out, err strings.Builder
}

func newPerson(t *testing.T, dir, types string, atTerminal bool) *person {
	t.Helper()
	p := &person{}
	p.tool = tool{
		stdin: strings.NewReader(types), stdout: &p.out, stderr: &p.err, scriptRoot: dir,
		terminal: func(any) bool { return atTerminal },
	}
	return p
}

// does runs a command in the person's directory.
func (p *person) does(t *testing.T, args ...string) int {
	t.Helper()
	return p.run(t.Context(), append(args, "--script-root", p.scriptRoot))
}

// hubWith is a folder with a hub with ended instances.
func hubWith(t *testing.T, ids ...string) string {
	t.Helper()
	dir := t.TempDir()
	done := errors.New("done")
	err := host.Run(t.Context(), app(dir), host.Options{Dir: dir, Environ: []string{}, OnReady: func(ctx context.Context, info host.Info) error {
		for _, id := range ids {
			if _, err := info.Client.StartNew(ctx, "Echo", nil, client.StartOptions{ID: id}); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if _, err := info.Client.WaitForCompletion(ctx, id); err != nil {
				return err
			}
		}
		return done
	}})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
	return dir
}

// Row 89: what is on stdout is the same for a person and for a program, apart
// from the default format.
func TestCLI_89_StdoutIsTheSameWithATerminal(t *testing.T) {
	dir := hubWith(t, "a", "b")
	for _, args := range [][]string{
		{"get-instances", "-o", "legacy"}, {"get-instances", "-o", "table"}, {"get-instances", "-o", "json", "--top", "1"},
		{"get-runtime-status", "a", "-o", "jsonl"}, {"get-history", "a", "-o", "table"}, {"doctor"},
		{"purge-history", "--dry-run"}, {"raise-event", "a", "--event-name", "x", "--no-check"},
	} {
		with, without := newPerson(t, dir, "", true), newPerson(t, dir, "", false)
		if a, b := with.does(t, args...), without.does(t, args...); a != 0 || b != 0 || with.out.String() != without.out.String() || with.out.Len() == 0 {
			t.Errorf("%q: exit codes %d, %d; with a terminal\n%s\nwithout\n%s%s", args, a, b, &with.out, &without.out, &with.err)
		}
	}
	for _, args := range [][]string{{"get-instances"}, {"get-runtime-status", "a"}, {"get-history", "a"}, {"get-instances", "--count"}} {
		p, program := newPerson(t, dir, "", true), newPerson(t, dir, "", false)
		p.does(t, args...)
		program.does(t, args...)
		if strings.HasPrefix(p.out.String(), "{") || strings.HasPrefix(p.out.String(), "[") || p.out.Len() == 0 {
			t.Errorf("%q with a terminal prints\n%s\nwant a table", args, &p.out)
		}
		if !strings.HasPrefix(program.out.String(), "{") && !strings.HasPrefix(program.out.String(), "[") {
			t.Errorf("%q without a terminal prints\n%s\nwant JSON", args, &program.out)
		}
	}
}

// Row 80: the counts are those of all pages.
func TestCLI_80_CountsAreExactAboveAThousand(t *testing.T) {
	ids := make([]string, 1005)
	for i := range ids {
		ids[i] = fmt.Sprint("n", i)
	}
	dir := hubWith(t, ids...)
	for _, option := range []string{"--dry-run", "--yes"} {
		p := newPerson(t, dir, "", false)
		if code := p.does(t, "purge-history", option); code != 0 || !strings.Contains(p.out.String(), "Instances deleted: 1005\nRows deleted: 2010\n") {
			t.Errorf("purge-history %s of 1005 instances = %d, stdout %q, stderr %q", option, code, &p.out, &p.err)
		}
	}
}

// Row 87: a person is asked, and only yes is yes.
func TestCLI_87_PurgeAsksAPerson(t *testing.T) {
	dir := hubWith(t, "a", "b", "c")
	for _, answer := range []string{"n\n", "\n", "", "yess\n"} {
		p := newPerson(t, dir, answer, true)
		if code := p.does(t, "purge-history"); code != 1 || !strings.Contains(p.err.String(), "Purge 3 instances? [y/N]") || p.out.Len() > 0 {
			t.Errorf("purge-history answered with %q = %d, stdout %q, stderr %q; want 1 and nothing done", answer, code, &p.out, &p.err)
		}
	}
	p := newPerson(t, dir, "n\n", true)
	if code := p.does(t, "delete-task-hub"); code != 1 || !strings.Contains(p.err.String(), "Delete task hub DurableFunctionsHub") {
		t.Errorf("delete-task-hub answered with no = %d, stderr %q; want 1 and a question", code, &p.err)
	}
	p = newPerson(t, dir, "y\n", true)
	if code := p.does(t, "purge-history", "--id", "a"); code != 0 || !strings.Contains(p.out.String(), "Instances deleted: 1\n") {
		t.Errorf("purge-history --id answered with yes = %d, stdout %q, stderr %q", code, &p.out, &p.err)
	}
	p = newPerson(t, dir, "Yes\n", true)
	if code := p.does(t, "purge-history"); code != 0 || !strings.Contains(p.out.String(), "Instances deleted: 2\n") {
		t.Errorf("purge-history answered with yes = %d, stdout %q, stderr %q", code, &p.out, &p.err)
	}
}

func TestProgressIsDrawnForPeopleOnly(t *testing.T) {
	for _, atTerminal := range []bool{true, false} {
		p := newPerson(t, "", "", atTerminal)
		bar := p.progress(8)
		bar.show(client.PurgeResult{Deleted: 2})
		bar.show(client.PurgeResult{Deleted: 9, Skipped: 1}) // more came meanwhile
		bar.end()
		want := ""
		if atTerminal {
			want = "\r[" + strings.Repeat("#", 10) + strings.Repeat(".", 30) + "] 2 of 8\r[" + strings.Repeat("#", 40) + "] 9 of 8\n"
		}
		if got := p.err.String(); got != want {
			t.Errorf("progress with terminal %v draws %q, want %q", atTerminal, got, want)
		}
	}
}

// Row 91: an interrupted wait is 130, and prints nothing that could be taken for
// a result.
func TestCLI_91_AnInterruptedWaitPrintsNothing(t *testing.T) {
	dir := hubWith(t)
	cfg, err := config.Load(config.Source{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c, release, err := host.Connect(t.Context(), cfg, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartNew(t.Context(), "Wait", nil, client.StartOptions{ID: "w"}); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"wait", "w", "-o", "json"}, {"terminate", "w", "-o", "json"}, {"start-new", "-n", "Wait", "--wait", "-o", "json"},
	} {
		p := newPerson(t, dir, "", false)
		ctx, cancel := context.WithCancel(t.Context())
		p.stderr = io.MultiWriter(&p.err, interrupt(cancel))
		if code := p.run(ctx, append(args, "--script-root", dir)); code != 130 || p.out.Len() > 0 {
			t.Errorf("%q interrupted = %d, stdout %q; want 130 and nothing", args, code, &p.out)
		}
		cancel()
	}
}

// interrupt is a stream whose first line interrupts the program: before it, or
// while it waits.
type interrupt context.CancelFunc

func (i interrupt) Write(line []byte) (int, error) {
	i()
	return len(line), nil
}

func TestCompletionLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	p := newPerson(t, dir, "", true)
	if code := p.run(t.Context(), []string{"__complete", "get-history", "--script-root", dir, "--id", ""}); code != 0 || !strings.Contains(p.out.String(), ":4") {
		t.Errorf("completion in an empty folder = %d, stdout %q", code, &p.out)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) > 0 {
		t.Errorf("completion left %q", found)
	}
}
