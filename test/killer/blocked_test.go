package killer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/history"
)

// ready is what an app says when it has done its work and waits for a signal.
const ready = "all is done that can be"

// serveUntilSignal runs app on folder until a signal comes.
func serveUntilSignal(folder string, app *perdure.App, do func(context.Context, *client.Client) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return host.Run(ctx, app, host.Options{Dir: folder, DrainTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), OnReady: func(ctx context.Context, info host.Info) error {
		if err := do(ctx, info.Client); err != nil {
			return err
		}
		fmt.Println(ready)
		return nil
	}})
}

// blocked serves code of all kinds that does not come back.
func blocked(folder string) error {
	var lock sync.Mutex
	lock.Lock()
	app := perdure.New()
	perdure.AddOrchestrator(app, "Loop", func(*perdure.OrchestrationContext, int) (int, error) {
		for i := 0; ; i++ {
		}
	})
	perdure.AddOrchestrator(app, "Lock", func(*perdure.OrchestrationContext, int) (int, error) {
		lock.Lock()
		return 0, nil
	})
	perdure.AddOrchestrator(app, "Defer", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
		defer lock.Lock()
		return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
	})
	perdure.AddOrchestrator(app, "Spin", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		return perdure.ActivityRef[int, int]("Spin").Call(ctx, 0).Await()
	})
	perdure.AddActivity(app, "Spin", func(context.Context, int) (int, error) {
		for i := 0; ; i++ {
		}
	})
	perdure.AddOrchestrator(app, "Good", func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		return perdure.ActivityRef[int, int]("Good").Call(ctx, n).Await()
	})
	perdure.AddActivity(app, "Good", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	return serveUntilSignal(folder, app, func(ctx context.Context, c *client.Client) error {
		for _, id := range []string{"Loop", "Lock", "Lock2", "Defer", "Spin"} {
			if _, err := c.Start(ctx, strings.TrimSuffix(id, "2"), 0, client.StartOptions{ID: client.InstanceID(id)}); err != nil {
				return err
			}
		}
		explained := func(id string, is func(*client.Explanation) bool) error {
			for {
				x, err := c.Explain(ctx, client.InstanceID(id))
				if err != nil {
					return err
				}
				if is(x) {
					fmt.Printf("%s: %s\n", id, x.Summary)
					return nil
				}
				time.Sleep(20 * time.Millisecond) // for the next explanation to be another one
			}
		}
		told := func(parts ...string) func(*client.Explanation) bool {
			return func(x *client.Explanation) bool {
				for _, part := range parts {
					if !strings.Contains(x.Summary, part) {
						return false
					}
				}
				return true
			}
		}
		runs := func(x *client.Explanation) bool { return len(x.Waits) == 1 && x.Waits[0].Running }
		waits := func(x *client.Explanation) bool { return x.Action == "raise-event" }
		return errors.Join(
			explained("Spin", runs),
			explained("Defer", waits),
			c.Terminate(ctx, "Spin", client.TerminateOptions{Wait: true}),
			c.Terminate(ctx, "Defer", client.TerminateOptions{Wait: true}),
			completes(ctx, c, "Good", 1),
			explained("Loop", told(`"Loop"`, "since", "blocked_test.go:")),
			explained("Lock", told(`"Lock"`, "since", "blocked_test.go:")),
			explained("Defer", told("deferred functions", "since", "blocked_test.go:")),
			c.Terminate(ctx, "Loop", client.TerminateOptions{Wait: true}),
			purges(ctx, c, "Lock"),
			explained("Lock2", func(x *client.Explanation) bool { return x.LeftBehind >= 4 }),
			completes(ctx, c, "Good", 2),
		)
	})
}

func completes(ctx context.Context, c *client.Client, name string, input int) error {
	id, err := c.Start(ctx, name, input, client.StartOptions{})
	if err != nil {
		return err
	}
	s, err := c.Wait(ctx, id)
	if err == nil && s.RuntimeStatus != history.Completed {
		err = fmt.Errorf("%s ended as %s", name, s.RuntimeStatus)
	}
	return err
}

func purges(ctx context.Context, c *client.Client, id string) error {
	result, err := c.Purge(ctx, client.InstanceID(id), client.PurgeOptions{Force: true})
	if err == nil && result.Deleted != 1 {
		err = fmt.Errorf("purge of %s deleted %d", id, result.Deleted)
	}
	return err
}

// replaying serves an instance that waits for an event, whose code may block as it runs
// again from its history.
func replaying(folder string, blocks bool) error {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
		if blocks {
			select {}
		}
		return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
	})
	if !blocks {
		return serve(folder, app, func(ctx context.Context, c *client.Client) error {
			_, err := c.Start(ctx, "Wait", 0, client.StartOptions{ID: "x", Reuse: client.ReturnExisting})
			if err != nil {
				return err
			}
			if _, err := c.WaitStarted(ctx, "x"); err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(folder, "started")); err != nil { // the first time
				return os.WriteFile(filepath.Join(folder, "started"), nil, 0o600)
			}
			s, err := c.Wait(ctx, "x")
			if err == nil {
				fmt.Printf("x is %s %s\n", s.RuntimeStatus, s.Output)
			}
			return err
		})
	}
	return serveUntilSignal(folder, app, func(ctx context.Context, c *client.Client) error {
		return c.Raise(ctx, "x", "Go", "kept")
	})
}

// signalled runs an app until it says that it is ready, ends it with a signal, and
// returns what it said.
func signalled(t *testing.T, app, folder string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self(t))
	cmd.Env = append(os.Environ(), appVariable+"="+app, folderVariable+"="+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if lines.Text() == ready {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	}
	var exited *exec.ExitError
	if err := cmd.Wait(); ctx.Err() != nil || err != nil && !errors.As(err, &exited) || !strings.Contains(said.String(), ready) {
		t.Fatalf("the app did not end as it should: %v\n%s", err, said.String())
	}
	return said.String()
}

func TestCodeThatDoesNotComeBackIsLeftBehind(t *testing.T) {
	t.Parallel()
	said := signalled(t, "blocked", t.TempDir())
	for _, want := range []string{
		`msg="an orchestrator does not come back" hub=DurableFunctionsHub instance=Loop function=Loop`,
		`msg="an orchestrator does not come back" hub=DurableFunctionsHub instance=Lock function=Lock`,
		`msg="deferred functions do not come back" hub=DurableFunctionsHub instance=Defer function=Defer`,
		`msg="user code is left behind" hub=DurableFunctionsHub instance=Spin function=Spin`,
		`msg="user code is left behind" hub=DurableFunctionsHub instance=Lock function=Lock`,
	} {
		found := false
		for line := range strings.Lines(said) {
			found = found || strings.Contains(line, want) && strings.Contains(line, "blocked_test.go:")
		}
		if !found {
			t.Errorf("no line has %q and a place in the code", want)
		}
	}
	last := said[strings.Index(said, ready):]
	for _, want := range []string{"is left behind: ", "orchestrator Lock of instance Lock2", "activity Spin of instance Spin", "deferred functions of orchestrator Defer of instance Defer"} {
		if !strings.Contains(last, want) {
			t.Errorf("the end does not tell of %q", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}

func TestATurnThatBlocksAsItIsRebuiltLosesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if out, died := life(t, "quiet", folder); died {
		t.Fatalf("the first life did not end well:\n%s", out)
	}
	said := signalled(t, "blocking", folder)
	if !strings.Contains(said, "orchestrator Wait of instance x") {
		t.Errorf("the end does not name the code that was left behind:\n%s", said)
	}
	if out, died := life(t, "quiet", folder); died || !strings.Contains(out, `x is Completed "kept"`) {
		t.Errorf("died: %t; want the instance to go on with the event\n%s", died, out)
	}
}
