package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hubs"
)

func app() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", echo)
	perdure.AddOrchestrator(app, "Wait", wait)
	perdure.AddOrchestrator(app, "Timers", timers)
	return app
}

// timers takes n actions.
func timers(ctx *perdure.OrchestrationContext, n int) (int, error) {
	for range n {
		ctx.CreateTimer(0)
	}
	return n, nil
}

func echo(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

func wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

// running is a host in this process.
type running struct {
	host.Info
	cancel context.CancelFunc
	ended  chan error
}

// start runs app in dir and returns once it is ready.
func start(t *testing.T, dir string, o host.Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan host.Info, 1)
	o.Dir, o.Environ = dir, []string{}
	o.OnReady = func(_ context.Context, info host.Info) error { ready <- info; return nil }
	go func() { r.ended <- host.Run(ctx, app(), o) }() // stop waits for it
	select {
	case r.Info = <-ready:
	case err := <-r.ended:
		cancel()
		t.Fatalf("Run error: %v", err)
	}
	t.Cleanup(func() { r.cancel() })
	return r
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

func TestRunServesAndStops(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	r := start(t, dir, host.Options{Stdout: &out})
	remote := client.Remote(r.URL, client.RemoteOptions{})
	for _, c := range []*client.Client{r.Client, remote} {
		id, err := c.Start(t.Context(), "Echo", 7, client.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if st, err := c.Wait(t.Context(), id); err != nil || string(st.Output) != "7" {
			t.Errorf("Wait = %+v, %v; want output 7", st, err)
		}
	}
	endpoint := filepath.Join(dir, ".perdure", "endpoint")
	info, err := os.Stat(endpoint)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("endpoint: %v, %v; want a file with mode 0600", info, err)
	}
	r.stop(t)
	if _, err := os.Stat(endpoint); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("endpoint after the end: %v, want none", err)
	}
	for _, want := range []string{"Functions:", "\tEcho: orchestrationTrigger", r.URL + "/runtime/webhooks/durabletask/orchestrators/"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("stdout:\n%s\nwant it to hold %q", out.String(), want)
		}
	}
}

func TestUnfinishedInstancesGoOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, host.Options{})
	if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
	r = start(t, dir, host.Options{})
	defer r.stop(t)
	if err := r.Client.Raise(t.Context(), "x", "go", 3); err != nil {
		t.Fatal(err)
	}
	if st, err := r.Client.Wait(t.Context(), "x"); err != nil || string(st.Output) != "3" {
		t.Errorf("Wait = %+v, %v; want output 3", st, err)
	}
}

func TestStopDoesNotWaitForClientsThatWait(t *testing.T) {
	r := start(t, t.TempDir(), host.Options{})
	if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // received below
		_, err := r.Client.Wait(context.Background(), "x")
		ended <- err
	}()
	r.stop(t)
	if err := <-ended; !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("Wait at the end of the host error = %v, want ErrUnavailable", err)
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	wrong := perdure.New()
	perdure.AddOrchestrator(wrong, "", echo)
	perdure.AddActivity(wrong, "Bad", (func(context.Context, int) (int, error))(nil))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		app  *perdure.App
		o    host.Options
		want []string
	}{
		{"registration", wrong, host.Options{}, []string{"Orchestrator", "Bad"}},
		{"port in use", app(), host.Options{Port: taken.Addr().(*net.TCPAddr).Port}, []string{"in use", "--port"}},
		{"port", app(), host.Options{Port: 70000}, []string{"70000"}},
		{"address", app(), host.Options{Address: "example.org"}, []string{"example.org", "IP address"}},
		{"no key where others can connect", app(), host.Options{Address: "0.0.0.0", Environ: []string{"AzureFunctionsJobHost__extensions__durableTask__management__requireKey=false"}},
			[]string{"0.0.0.0", "management.requireKey", "127.0.0.1"}},
		{"no TLS where others can connect", app(), host.Options{Address: "0.0.0.0"}, []string{"0.0.0.0", "management.tls", "management.allowPlainHttp", "127.0.0.1"}},
		{"data folder is a file", app(), host.Options{DataDir: file}, []string{file}},
		{"configuration", app(), host.Options{Environ: []string{"AzureFunctionsJobHost__extensions__durableTask__hubName=a-b"}}, []string{"a-b", "hubName"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Dir = t.TempDir()
			if tt.o.Environ == nil {
				tt.o.Environ = []string{}
			}
			err := host.Run(t.Context(), tt.app, tt.o)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Run error = %v, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestASecondHostNamesTheFirst(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	err := host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}})
	if pid := strconv.Itoa(os.Getpid()); err == nil || !strings.Contains(err.Error(), pid) {
		t.Errorf("Run on a store that is open error = %v, want it to name process %s", err, pid)
	}
}

func TestAnErrorOfOnReadyEndsTheHost(t *testing.T) {
	broken := errors.New("broken")
	err := host.Run(t.Context(), app(), host.Options{Dir: t.TempDir(), Environ: []string{}, OnReady: func(context.Context, host.Info) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("Run error = %v, want that of OnReady", err)
	}
}

func TestAStopIsBoundedWhateverTheProgramDoes(t *testing.T) {
	for name, options := range map[string]func(blocks func()) host.Options{
		"OnReady": func(blocks func()) host.Options {
			return host.Options{OnReady: func(context.Context, host.Info) error { blocks(); return nil }}
		},
		"a timer function": func(blocks func()) host.Options {
			return host.Options{Timers: []host.TickFunction{{Name: "Tick", Schedule: "* * * * * *", Do: func(context.Context, *client.Client, host.TickTime) error {
				blocks()
				return nil
			}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			release := make(chan struct{})
			defer close(release)
			o := options(func() { cancel(); <-release })
			o.Dir, o.Environ, o.DrainTimeout = t.TempDir(), []string{}, time.Millisecond
			if err := host.Run(ctx, app(), o); !errors.Is(err, engine.ErrLeftBehind) || !strings.Contains(err.Error(), name) {
				t.Errorf("Run error = %v, want that %s does not return", err, name)
			}
		})
	}
}

// connect is Connect for the app in dir.
func connect(t *testing.T, dir, hub string, create bool) (*client.Client, func() error, error) {
	t.Helper()
	cfg, err := config.Load(config.Source{Dir: dir, TaskHub: hub})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hubs.Connect(t.Context(), cfg, create, nil)
	if err != nil {
		return nil, nil, err
	}
	return c.Client, c.Close, nil
}

func TestConnectWithoutAHost(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := connect(t, dir, "", false); !errors.Is(err, client.ErrHubNotFound) {
		t.Errorf("Connect without a store error = %v, want ErrHubNotFound", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("Connect left %v (%v), want nothing", entries, err)
	}
	c, release, err := connect(t, dir, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), "Echo", 5, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.RuntimeStatus != history.Pending {
		t.Errorf("Status = %+v, %v; want Pending", st, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	wantAudited(t, dir,
		`start by="command line" function="Echo" hub="DurableFunctionsHub" instance="x" who="`+me(t)+`"`, `start instance="x" of=2 result="ok"`)
	if _, _, err := connect(t, dir, "OtherHub", false); !errors.Is(err, client.ErrHubNotFound) {
		t.Errorf("Connect to another hub error = %v, want ErrHubNotFound", err)
	}
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	if st, err := r.Client.Wait(t.Context(), "x"); err != nil || string(st.Output) != "5" {
		t.Errorf("Wait = %+v, %v; want what was started before the host", st, err)
	}
}

func TestConnectReachesTheHostsOtherHubs(t *testing.T) {
	dir := t.TempDir()
	c, release, err := connect(t, dir, "OtherHub", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), "Any", nil, client.StartOptions{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	c, release, err = connect(t, dir, "otherhub", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if st, err := c.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.RuntimeStatus != history.Pending {
		t.Errorf("Status in the other hub = %+v, %v; want Pending", st, err)
	}
	if _, err := r.Client.Status(t.Context(), "x", client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Status in the host's hub error = %v, want ErrNotFound", err)
	}
	c, release, err = connect(t, dir, "NoHub", true)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.Start(t.Context(), "Any", nil, client.StartOptions{}); !errors.Is(err, client.ErrHubNotFound) || strings.Count(err.Error(), "not found") != 1 {
		t.Errorf("Start in a hub that is not there error = %v, want ErrHubNotFound, said once: a host creates none for a client", err)
	}
}

func TestHostRulesOfHostJSON(t *testing.T) {
	dir := t.TempDir()
	text := `{"version":"2.0","extensions":{"durableTask":{"overridableExistingInstanceStates":"AnyState","throwStatusExceptionsOnRaiseEvent":false,"defaultVersion":"3"}}}`
	if err := os.WriteFile(filepath.Join(dir, "host.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, host.Options{})
	defer r.stop(t)
	for range 2 {
		if _, err := r.Client.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "x"}); err != nil {
			t.Errorf("Start error: %v", err)
		}
	}
	if st, err := r.Client.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.Version != "3" {
		t.Errorf("Status = %+v, %v; want version 3", st, err)
	}
	if err := r.Client.Raise(t.Context(), "nobody", "go", nil); err != nil {
		t.Errorf("Raise to nobody error: %v", err)
	}
	if err := client.Remote(r.URL, client.RemoteOptions{}).Raise(t.Context(), "nobody", "go", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Raise over HTTP error = %v, want ErrNotFound whatever host.json says", err)
	}
}

func TestConfig_24_TooManyActionsNameTheKey(t *testing.T) {
	r := start(t, withHostJSON(t, `"maxOrchestrationActions":2`), host.Options{})
	defer r.stop(t)
	for timers, want := range map[int]history.RuntimeStatus{2: history.Completed, 3: history.Failed} {
		id, err := r.Client.Start(t.Context(), "Timers", timers, client.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := r.Client.Wait(t.Context(), id)
		if err != nil || st.RuntimeStatus != want || want == history.Failed && !strings.Contains(st.Failure.Message, "maxOrchestrationActions") {
			t.Errorf("%d actions of 2 = %+v, %v; want %s", timers, st, err, want)
		}
	}
}

func TestConfig_21_RulesWithoutAHost(t *testing.T) {
	c, release, err := connect(t, withHostJSON(t, `"overridableExistingInstanceStates":"anystate"`), "", true)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for range 2 {
		if _, err := c.Start(t.Context(), "Any", nil, client.StartOptions{ID: "x"}); err != nil {
			t.Errorf("Start of an id in use error: %v", err)
		}
	}
}

func TestAConnectionTellsWhetherAnAppServesTheHub(t *testing.T) {
	dir := t.TempDir()
	served := func(hub string) bool {
		t.Helper()
		cfg, err := config.Load(config.Source{Dir: dir, TaskHub: hub})
		if err != nil {
			t.Fatal(err)
		}
		c, err := hubs.Connect(t.Context(), cfg, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return c.Served
	}
	if served("") {
		t.Error("without an app its hub is served")
	}
	r := start(t, dir, host.Options{})
	if !served("") || !served("durableFUNCTIONSHub") || served("OtherHub") {
		t.Errorf("with an app its hub is served %v, another one %v; want true, false", served(""), served("OtherHub"))
	}
	// An app of an older build does not say which hub it serves.
	endpoint := filepath.Join(dir, ".perdure", "endpoint")
	text, err := os.ReadFile(endpoint)
	if err == nil {
		err = os.WriteFile(endpoint, bytes.Replace(text, []byte(`"taskHub":"DurableFunctionsHub",`), nil, 1), 0o600)
	}
	if err != nil || !served("") {
		t.Errorf("with an app that does not say which hub it serves its hub is not served, %v", err)
	}
	r.stop(t)
	if served("") {
		t.Error("after the app has stopped its hub is served")
	}
}
