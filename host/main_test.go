package host

import (
	"context"
	"strings"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
)

func TestMainFlags(t *testing.T) {
	for _, tt := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"-h", 0, ""},
		{"--help", 0, ""},
		{"--port x", 2, "port"},
		{"--port 65536", 2, "65536"},
		{"--port -2", 2, "-2"},
		{"--drain-timeout 0s", 2, "drain-timeout"},
		{"--what", 2, "what"},
		{"surplus", 2, "surplus"},
		{"--address nowhere", 1, "nowhere"},
	} {
		var stdout, stderr strings.Builder
		t.Chdir(t.TempDir())
		code := runMain(t.Context(), perdure.New(), strings.Fields(tt.args), &stdout, &stderr)
		if code != tt.code || !strings.Contains(stderr.String(), tt.stderr) || tt.code == 0 && !strings.Contains(stdout.String(), "-port") {
			t.Errorf("main %s = %d, stdout %q, stderr %q; want %d and %q", tt.args, code, stdout.String(), stderr.String(), tt.code, tt.stderr)
		}
	}
}

func TestMainCallsOnStart(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr strings.Builder
	app := perdure.New()
	perdure.AddOrchestrator(app, "Seven", func(*perdure.OrchestrationContext, any) (int, error) { return 7, nil })
	var got int
	code := runMain(ctx, app, []string{"--port", "0", "--data-dir", "data"}, &stdout, &stderr, OnStart(func(ctx context.Context, c *client.Client) error {
		defer cancel()
		id, err := c.Start(ctx, "Seven", nil, client.StartOptions{})
		if err != nil {
			return err
		}
		st, err := c.Wait(ctx, id)
		if err != nil {
			return err
		}
		got, err = client.Result[int](st)
		return err
	}))
	if code != 0 || got != 7 {
		t.Errorf("main = %d, result %d, stderr %s; want 0 and 7", code, got, stderr.String())
	}
}

func TestStopTellsAtOnceWhatItWaitsFor(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr := new(strings.Builder), newSaid("stopping: 1 activity gets 1m0s to finish; Ctrl-C again ends at once\n")
	app := perdure.New()
	began, finish := make(chan struct{}), make(chan struct{})
	perdure.AddActivity(app, "Slow", func(context.Context, any) (any, error) { close(began); <-finish; return nil, nil })
	perdure.AddOrchestrator(app, "Slow", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return perdure.ActivityRef[any, any]("Slow").Call(ctx, nil).Await()
	})
	go func() { // ends with runMain, which waits for the activity
		<-began
		cancel()
		<-stderr.heard // while the activity runs
		close(finish)
	}()
	code := runMain(ctx, app, []string{"--port", "0", "--data-dir", "data", "--drain-timeout", "1m"}, stdout, stderr, OnStart(func(ctx context.Context, c *client.Client) error {
		_, err := c.Start(ctx, "Slow", nil, client.StartOptions{})
		return err
	}))
	if code != 0 {
		t.Errorf("main = %d, want 0", code)
	}
}

// said is where a text is waited for.
type said struct {
	want  string
	heard chan struct{} // closed when want was written
}

func newSaid(want string) *said { return &said{want, make(chan struct{})} }

func (s *said) Write(p []byte) (int, error) {
	if string(p) == s.want {
		close(s.heard)
	}
	return len(p), nil
}
