package killer

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/hubs"
)

// putAside serves an instance whose second turn ends the process if it kills, and else the
// instance. It comes to its end when that has ended, or is put aside and not resumed.
func putAside(folder string, kills, resumes bool) error {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Turn", func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		if _, err := ctx.CreateTimer(time.Millisecond).Await(); err != nil { // the first turn may run before the start is durable
			return "", err
		}
		if kills {
			os.Exit(3)
		}
		return "alive", nil
	})
	return serve(folder, app, func(ctx context.Context, c *client.Client) error {
		if _, err := c.Start(ctx, "Turn", "", client.StartOptions{ID: "x", Reuse: client.ReturnExisting}); err != nil {
			return err
		}
		for asked := false; ; {
			s, err := c.Status(ctx, "x", client.StatusOptions{})
			if err != nil {
				return err
			}
			x, err := c.Explain(ctx, "x")
			if err != nil {
				return err
			}
			aside := x.Action == "resume"
			if s.RuntimeStatus.Terminal() || aside && !resumes {
				fmt.Printf("x is %s %s: %s\n", s.RuntimeStatus, s.Output, x.Summary)
				return nil
			}
			if aside && !asked {
				asked = true
				if err := c.Resume(ctx, "x", ""); err != nil {
					return err
				}
			}
			time.Sleep(20 * time.Millisecond) // for the next look to be another one
		}
	})
}

// serve runs app on folder until do returns.
func serve(folder string, app *perdure.App, do func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return host.Run(ctx, app, host.Options{Dir: folder, DrainTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), OnReady: func(ctx context.Context, info host.Info) error {
		defer cancel()
		return do(ctx, info.Client)
	}})
}

func TestATurnThatIsPutAsideGoesOn(t *testing.T) {
	const maxDeaths = 2
	for name, goOn := range map[string]func(t *testing.T, folder string) (output string, died bool){
		"resumed where no app runs": func(t *testing.T, folder string) (string, bool) {
			offline(t, folder, func(c *client.Client) {
				x, err := c.Explain(t.Context(), "x")
				if err != nil || x.Action != "resume" || !strings.Contains(x.Summary, fmt.Sprintf("each of the %d times that the program died", maxDeaths)) {
					t.Errorf("Explain where no app runs = %+v, %v; want it to tell of the deaths and of resume", x, err)
				}
				if err := c.Resume(t.Context(), "x", ""); err != nil {
					t.Errorf("Resume where no app runs = %v", err)
				}
			})
			return life(t, "mended", folder)
		},
		"resumed": func(t *testing.T, folder string) (string, bool) { return life(t, "resuming", folder) },
		"another build": func(t *testing.T, folder string) (string, bool) {
			return lifeOf(t, anotherBuild(t), "mended", folder)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := folderWith(t, maxDeaths)
			for n := range maxDeaths {
				if out, died := life(t, "aside", folder); !died {
					t.Fatalf("life %d came to its end; want it to die\n%s", n+1, out)
				}
			}
			if out, died := life(t, "aside", folder); died || !strings.Contains(out, "x is Running") || !strings.Contains(out, "Its turn is put aside") {
				t.Fatalf("after %d deaths: died: %t; want the turn to be put aside\n%s", maxDeaths, died, out)
			}
			if out, died := goOn(t, folder); died || !strings.Contains(out, `x is Completed "alive"`) {
				t.Errorf("died: %t; want the instance to go on\n%s", died, out)
			}
		})
	}
}

// offline calls do with the hub of a folder where no app runs.
func offline(t *testing.T, folder string, do func(*client.Client)) {
	t.Helper()
	cfg, err := config.Load(config.Source{Dir: folder, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hubs.Connect(t.Context(), cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	do(c.Client)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// anotherBuild returns a program that does the same as this one and is not the same.
func anotherBuild(t *testing.T) string {
	t.Helper()
	program, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "another")
	if err := os.WriteFile(path, append(program, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
