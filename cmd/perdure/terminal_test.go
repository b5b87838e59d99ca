package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure/client"
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
		terminal: func(any) bool { return atTerminal }, doubt: time.Hour,
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
			if _, err := info.Client.Start(ctx, "Echo", nil, client.StartOptions{ID: client.InstanceID(id)}); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if _, err := info.Client.Wait(ctx, client.InstanceID(id)); err != nil {
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
// from color.
func TestCLI_89_StdoutIsTheSameWithATerminal(t *testing.T) {
	dir := hubWith(t, "a", "b")
	for _, args := range [][]string{
		{"get-instances", "-o", "legacy"}, {"get-instances"}, {"get-instances", "-o", "json", "--top", "1"}, {"get-instances", "--count"},
		{"get-runtime-status", "a", "-o", "jsonl"}, {"get-runtime-status", "a"}, {"get-history", "a"}, {"get-history", "a", "--follow"}, {"doctor"},
		{"purge-history", "--dry-run"}, {"raise-event", "a", "--event-name", "x", "--no-check"},
	} {
		with, without := newPerson(t, dir, "", true), newPerson(t, dir, "", false)
		with.environ = []string{"NO_COLOR=1"}
		if a, b := with.does(t, args...), without.does(t, args...); a != 0 || b != 0 || with.out.String() != without.out.String() || with.out.Len() == 0 {
			t.Errorf("%q: exit codes %d, %d; with a terminal\n%s\nwithout\n%s%s", args, a, b, &with.out, &without.out, &with.err)
		}
	}
}

func TestStatusesAreInColorForPeopleOnly(t *testing.T) {
	dir := hubWith(t, "Completed") // an id is no status
	const green = "\x1b[32mCompleted\x1b[0m"
	for _, tt := range []struct {
		args, environ []string
		atTerminal    bool
		want          int
	}{
		{[]string{"get-instances"}, nil, true, 1},
		{[]string{"get-instances"}, nil, false, 0},
		{[]string{"get-instances", "--color", "never"}, nil, true, 0},
		{[]string{"get-instances", "--color", "always"}, []string{"NO_COLOR=1"}, false, 1},
		{[]string{"get-instances", "--count"}, nil, true, 1},
		{[]string{"get-instances", "-o", "json"}, nil, true, 0},
		{[]string{"get-instances", "--compat", "core-tools", "-o", "table"}, nil, true, 0},
		{[]string{"get-instances"}, []string{"NO_COLOR=1"}, true, 0},
		{[]string{"get-instances", "--color", "auto"}, []string{"CLICOLOR=0"}, true, 0},
		{[]string{"get-instances"}, []string{"TERM=dumb"}, true, 0},
	} {
		p := newPerson(t, dir, "", tt.atTerminal)
		p.environ = tt.environ
		if code := p.does(t, tt.args...); code != 0 || strings.Count(p.out.String(), green) != tt.want || tt.want == 0 && strings.Contains(p.out.String(), "\x1b") {
			t.Errorf("%q in %q with terminal %v = %d, stdout %q; want %d colored statuses", tt.args, tt.environ, tt.atTerminal, code, &p.out, tt.want)
		}
	}
	if p := newPerson(t, dir, "", true); p.does(t, "get-instances", "--color", "alwys") != 2 || !strings.Contains(p.err.String(), "did you mean always?") {
		t.Errorf("--color alwys: stderr %q, want the values", &p.err)
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
		if code := p.does(t, "purge-history"); code != 1 || !strings.Contains(p.err.String(), "Purge 3 instances of task hub DurableFunctionsHub that have ended? [y/N]") || p.out.Len() > 0 {
			t.Errorf("purge-history answered with %q = %d, stdout %q, stderr %q; want 1 and nothing done", answer, code, &p.out, &p.err)
		}
	}
	p := newPerson(t, dir, "n\n", true)
	p.does(t, "purge-history", "--id-prefix", "b", "--older-than", "1d")
	if want := `Purge 0 instances of task hub DurableFunctionsHub that have ended, ended more than 1d ago and have an id that begins with "b"? [y/N]`; !strings.Contains(p.err.String(), want) {
		t.Errorf("purge-history asks %q, want %q", &p.err, want)
	}
	p = newPerson(t, dir, "n\n", true)
	p.does(t, "purge-history", "--id-prefix", "b")
	if want := `Purge 1 instance of task hub DurableFunctionsHub that has ended and has an id that begins with "b"? [y/N]`; !strings.Contains(p.err.String(), want) {
		t.Errorf("purge-history asks %q, want %q", &p.err, want)
	}
	p = newPerson(t, dir, "n\n", true)
	if code := p.does(t, "delete-task-hub"); code != 1 || !strings.Contains(p.err.String(), "Delete task hub DurableFunctionsHub") {
		t.Errorf("delete-task-hub answered with no = %d, stderr %q; want 1 and a question", code, &p.err)
	}
	p = newPerson(t, dir, "y\n", true)
	if code := p.does(t, "purge-history", "a", "--runtime-status", "failed"); code != 2 {
		t.Errorf("purge-history of an id and a filter = %d, stderr %q; want 2", code, &p.err)
	}
	p = newPerson(t, dir, "y\n", true)
	p.does(t, "purge-history", "--runtime-status", "completed failed", "--created-before", "2999-01-01", "--id-prefix", "b", "--dry-run=false", "--tag", "x=y")
	if want := `Purge 0 instances of task hub DurableFunctionsHub that are Completed or Failed, were created at 2999-01-01T00:00:00Z or earlier, have an id that begins with "b" and have tag x=y? [y/N]`; !strings.Contains(p.err.String(), want) {
		t.Errorf("purge-history asks %q, want %q", &p.err, want)
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
// a result. What only looks on says nothing at all.
func TestCLI_91_AnInterruptedWaitPrintsNothing(t *testing.T) {
	dir := t.TempDir()
	servedBy(t, dir, waiting)
	for _, args := range [][]string{
		{"wait", "w", "-o", "json"}, {"start-new", "-n", "Wait", "--wait", "-o", "json"},
	} {
		p := newPerson(t, dir, "", true)
		ctx, cancel := context.WithCancel(t.Context())
		p.stderr = io.MultiWriter(&p.err, interrupt(cancel))
		if code := p.run(ctx, append(args, "--script-root", dir)); code != 130 || p.out.Len() > 0 {
			t.Errorf("%q interrupted = %d, stdout %q; want 130 and nothing", args, code, &p.out)
		}
		cancel()
	}
	for _, args := range [][]string{{"list", "--watch"}, {"history", "w", "--follow"}} {
		p := newPerson(t, dir, "", true)
		ctx, cancel := context.WithCancel(t.Context())
		p.stdout = io.MultiWriter(&p.out, interrupt(cancel))
		if code := p.run(ctx, append(args, "--script-root", dir)); code != 130 || p.err.Len() > 0 || p.out.Len() == 0 {
			t.Errorf("%q interrupted = %d, stderr %q; want 130 and nothing said", args, code, &p.err)
		}
		cancel()
	}
}

// A person who waits is told for what.
func TestWaitTellsAPersonWhatItWaitsFor(t *testing.T) {
	dir := t.TempDir()
	servedBy(t, dir, waiting)
	const told = `w is Running. It waits for the external event "go".`
	p := newPerson(t, dir, "", true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.stderr = io.MultiWriter(&p.err, interrupt(cancel))
	if code := p.run(ctx, []string{"wait", "w", "--script-root", dir}); code != 130 || !strings.Contains(p.err.String(), told) {
		t.Errorf("wait at a terminal = %d, stderr %q; want it to tell what it waits for", code, &p.err)
	}
	script := newPerson(t, dir, "", false)
	if code := script.does(t, "wait", "w", "--timeout", "300ms"); code != 124 || strings.Contains(script.err.String(), told) {
		t.Errorf("wait of a script = %d, stderr %q; want nothing told", code, &script.err)
	}
}

// waiting starts instance w, which waits for an event.
func waiting(ctx context.Context, info host.Info) error {
	_, err := info.Client.Start(ctx, "Wait", nil, client.StartOptions{ID: "w"})
	if err == nil {
		_, err = info.Client.WaitStarted(ctx, "w")
	}
	return err
}

// servedBy runs the app in dir until the test ends, and returns once prepare has.
func servedBy(t *testing.T, dir string, prepare func(context.Context, host.Info) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { // awaited by the cleanup
		ended <- host.Run(ctx, app(dir), host.Options{Dir: dir, Environ: []string{}, OnReady: func(ctx context.Context, info host.Info) error {
			err := prepare(ctx, info)
			if err == nil {
				close(ready)
			}
			return err
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil // for the cleanup
		t.Fatal(err)
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

// Until a person has answered, the app, and everybody else, can have the store.
func TestNobodyHoldsTheStoreWhileAPersonThinks(t *testing.T) {
	dir := hubWith(t, "a", "b")
	p := newPerson(t, dir, "", true)
	p.stdin = thinker(func() string {
		other := newPerson(t, dir, "", false)
		if code := other.does(t, "purge-history", "--id", "a", "--yes"); code != 0 {
			t.Errorf("while a person thinks, purge-history --id = %d, stderr %q", code, &other.err)
		}
		return "y\n"
	})
	if code := p.does(t, "purge-history"); code != 0 || !strings.Contains(p.out.String(), "Instances deleted: 1\n") {
		t.Errorf("purge-history = %d, stdout %q, stderr %q; want the one that was left", code, &p.out, &p.err)
	}
}

// thinker answers with what comes to mind when it is asked.
type thinker func() string

func (think thinker) Read(b []byte) (int, error) { return copy(b, think()), nil }

// A host that does not answer is told of long before the command gives up.
func TestAHostThatHangsIsToldOf(t *testing.T) {
	told := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-told
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("x-ms-continuation-token", "")
		io.WriteString(w, "[]")
	}))
	defer server.Close()
	p := newPerson(t, t.TempDir(), "", false)
	p.doubt = time.Nanosecond
	p.stderr = io.MultiWriter(&p.err, interrupt(sync.OnceFunc(func() { close(told) })))
	if code := p.does(t, "list", "--url", server.URL+"/runtime/webhooks/durabletask"); code != 0 || !strings.Contains(p.err.String(), "the host at "+server.URL) {
		t.Errorf("list = %d, stderr %q; want it to tell that the host has not answered", code, &p.err)
	}
}

func TestAWaitEndsInTimeThoughTheHostHangs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	p := newPerson(t, t.TempDir(), "", false)
	if code := p.does(t, "wait", "x", "--timeout", "1ms", "--url", server.URL); code != 124 || !strings.Contains(p.err.String(), "timed out after 1ms, and nothing is known of it") {
		t.Errorf("wait = %d, stderr %q; want 124 and that nothing is known", code, &p.err)
	}
}
