// Package killer runs functions that take their own process down, again and again, and
// such as never come back, each in a process of its own.
package killer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// These tell the test's own program to be an app, and on which folder.
const (
	appVariable    = "PERDURE_TEST_APP"
	folderVariable = "PERDURE_TEST_FOLDER"
)

// apps are what the program can be.
var apps = map[string]func(folder string) error{
	"killers":  killers,
	"aside":    func(folder string) error { return putAside(folder, true, false) },
	"mended":   func(folder string) error { return putAside(folder, false, false) },
	"resuming": func(folder string) error { return putAside(folder, false, true) },
	"blocked":  blocked,
	"quiet":    func(folder string) error { return replaying(folder, false) },
	"blocking": func(folder string) error { return replaying(folder, true) },
}

func TestMain(m *testing.M) {
	if app := apps[os.Getenv(appVariable)]; app != nil {
		if err := app(os.Getenv(folderVariable)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killers serves the app on folder until nothing more will happen to its instances. In
// most of its lives it does not come so far.
func killers(folder string) error {
	app := perdure.New()
	perdure.AddActivity(app, "Boom", func(context.Context, string) (string, error) {
		go func() { panic("bug in a goroutine of an activity") }()
		select {}
	})
	perdure.AddActivity(app, "Good", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	perdure.AddOrchestrator(app, "Boom", func(ctx *perdure.OrchestrationContext, s string) (string, error) {
		return perdure.ActivityRef[string, string]("Boom").Call(ctx, s, perdure.WithRetry(perdure.RetryPolicy{FirstInterval: 10 * time.Millisecond, MaxAttempts: 3})).Await()
	})
	perdure.AddOrchestrator(app, "BoomTurn", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		if _, err := ctx.CreateTimer(time.Millisecond).Await(); err != nil { // the first turn may run before the start is durable
			return "", err
		}
		os.Exit(3)
		return "", nil
	})
	perdure.AddOrchestrator(app, "Good", func(ctx *perdure.OrchestrationContext, _ string) (n int, err error) {
		for n < 20 {
			if _, err := ctx.CreateTimer(10 * time.Millisecond).Await(); err != nil {
				return n, err
			}
			if n, err = perdure.ActivityRef[int, int]("Good").Call(ctx, n).Await(); err != nil {
				return n, err
			}
		}
		return n, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return host.Run(ctx, app, host.Options{Dir: folder, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), OnReady: func(ctx context.Context, info host.Info) error {
		defer cancel()
		for _, name := range []string{"Good", "Boom", "BoomTurn"} {
			if _, err := info.Client.Start(ctx, name, "x", client.StartOptions{ID: client.InstanceID(name), Reuse: client.ReturnExisting}); err != nil {
				return err
			}
		}
		for _, id := range []string{"Good", "Boom"} {
			s, err := info.Client.Wait(ctx, client.InstanceID(id))
			if err != nil {
				return err
			}
			fmt.Printf("end of %s: %s %s\n", id, s.RuntimeStatus, s.Output)
		}
		for {
			x, err := info.Client.Explain(ctx, "BoomTurn")
			if err != nil {
				return err
			}
			if x.Action == "resume" {
				fmt.Printf("turn: %s, %s\n", x.Status, x.Summary)
				return nil
			}
			time.Sleep(20 * time.Millisecond) // for the next explanation to be another one
		}
	}})
}

// self is the path of the test's own program.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// life runs an app once. died is false when it came to its end.
func life(t *testing.T, app, folder string) (output string, died bool) {
	t.Helper()
	return lifeOf(t, self(t), app, folder)
}

// lifeOf is life of the program at a path.
func lifeOf(t *testing.T, program, app, folder string) (output string, died bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), appVariable+"="+app, folderVariable+"="+folder)
	out, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) || ctx.Err() != nil {
		t.Fatalf("the app did not end: %v\n%s", err, out)
	}
	return string(out), err != nil
}

// folderWith is the folder of an app with that setting.
func folderWith(t *testing.T, maxDeaths int) string {
	t.Helper()
	folder := t.TempDir()
	settings := fmt.Sprintf(`{"version": "2.0", "extensions": {"durableTask": {"maxDeaths": %d}}}`, maxDeaths)
	if err := os.WriteFile(filepath.Join(folder, "host.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestKillersArePutAsideAndOthersGoOn(t *testing.T) {
	t.Parallel()
	const maxDeaths = 3
	folder := folderWith(t, maxDeaths)
	for n := 1; ; n++ {
		out, died := life(t, "killers", folder)
		if died {
			if n > 5*maxDeaths {
				t.Fatalf("the app died %d times; want the two killers to be put aside after %d deaths each\n%s", n, maxDeaths, out)
			}
			continue
		}
		t.Logf("life %d:\n%s", n, out)
		if n <= maxDeaths {
			t.Errorf("the app came to its end in life %d; want it to die %d times at least: else the test shows nothing", n, maxDeaths)
		}
		for _, want := range []string{"end of Good: Completed 20", "end of Boom: Failed", "Poison", "turn: ", "times that the program died"} {
			if !strings.Contains(out, want) {
				t.Errorf("the app says no %q", want)
			}
		}
		return
	}
}
