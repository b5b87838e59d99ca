package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/testcert"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"host": hostCommand, "fails": failsCommand, "walk": walkCommand, "bounds": boundsCommand, "held": heldCommand, "certificates": certificatesCommand,
		},
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
	info host.Info
}

func hostCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: host start [ID ...] | host stop | host fill N")
	}
	h := ts.Value(hostKey{}).(*hosted)
	switch {
	case args[0] == "start" && h.stop == nil:
		h.start(ts, ts.MkAbs("."), args[1:])
	case args[0] == "stop" && h.stop != nil:
		ts.Check(h.end())
	case args[0] == "fill" && h.stop != nil:
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(h.fill(n))
	default:
		ts.Fatalf("host %v: it is not the time for that", args)
	}
}

// start runs the app until it is ready and the instances ids have ended.
func (h *hosted) start(ts *testscript.TestScript, dir string, ids []string) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan host.Info, 1), make(chan error, 1)
	go func() { // stop waits for it
		ended <- host.Run(ctx, app(dir), host.Options{Dir: dir, Environ: []string{}, OnReady: func(ctx context.Context, info host.Info) error {
			for _, id := range ids {
				if _, err := info.Client.Wait(ctx, client.InstanceID(id)); err != nil {
					return err
				}
			}
			ready <- info
			return nil
		}})
	}()
	h.stop = func() error { cancel(); return <-ended }
	ts.Defer(func() { ts.Check(h.end()) })
	select {
	case h.info = <-ready:
		ts.Setenv("HOST_URL", h.info.URL)
	case err := <-ended:
		h.stop = nil
		ts.Fatalf("host: %v", err)
	}
}

// certificatesCommand writes ca.pem, a certificate and key of that signer for each name, and
// other.pem, which is another signer: certificates NAME ...
func certificatesCommand(ts *testscript.TestScript, _ bool, names []string) {
	write := func(name string, content []byte) {
		ts.Check(os.WriteFile(ts.MkAbs(name), content, 0o600))
	}
	for _, name := range []string{"other.pem", "ca.pem"} {
		ca, err := testcert.NewSigner(name)
		ts.Check(err)
		write(name, ca.PEM())
		for _, name := range names {
			certificate, key, err := ca.Issue(name, "")
			ts.Check(err)
			write(name+".pem", certificate)
			write(name+".key", key)
		}
	}
}

// fill starts n instances that wait, n0 first, and returns once they do.
func (h *hosted) fill(n int) error {
	ctx := context.Background()
	for i := range n {
		id, err := h.info.Client.Start(ctx, "Wait", nil, client.StartOptions{ID: client.InstanceID(fmt.Sprint("n", i))})
		if err != nil {
			return err
		}
		if _, err := h.info.Client.WaitStarted(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// failsCommand runs perdure and wants an exit code: fails CODE ARGUMENT ...
func failsCommand(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec("perdure", args[1:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("perdure %q exits with %d (%v), want %s", args[1:], code, err, args[0])
	}
}

// walkCommand goes through the pages of get-instances the way scripts do, and
// wants each of the ids once: walk SIZE ID ...
func walkCommand(ts *testscript.TestScript, _ bool, args []string) {
	last := regexp.MustCompile(`Continuation token for next set of results: '(.*)'\n$`)
	id := regexp.MustCompile(`"InstanceId": "(.*)"`)
	var found []string
	token := "bnVsbA=="
	for token != "" {
		ts.Check(ts.Exec("perdure", "get-instances", "--top", args[0], "--continuation-token", token, "-o", "legacy"))
		page := ts.ReadFile("stdout")
		for _, m := range id.FindAllStringSubmatch(page, -1) {
			found = append(found, m[1])
		}
		m := last.FindStringSubmatch(page)
		if m == nil || len(found) > 100 {
			ts.Fatalf("page without a token, or without end: %s", page)
		}
		token = m[1]
	}
	slices.Sort(found)
	if !slices.Equal(found, args[1:]) {
		ts.Fatalf("pages hold %q, want %q", found, args[1:])
	}
}

// boundsCommand wants an instance, which is the only one of its name, to be between
// its own time and its own time, in each spelling of that, and not between
// anything less: bounds ID.
func boundsCommand(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(hostKey{}).(*hosted)
	status, err := h.info.Client.Status(context.Background(), client.InstanceID(args[0]), client.StatusOptions{})
	ts.Check(err)
	at := status.CreatedAt
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 2*3600)} {
		exact := at.In(zone).Format("2006-01-02T15:04:05.9999999Z07:00")
		for option, offset := range map[string]time.Duration{"--created-after": time.Microsecond, "--created-before": -time.Microsecond} {
			beyond := at.Add(offset).In(zone).Format("2006-01-02T15:04:05.9999999Z07:00")
			for want, bound := range map[int]string{1: exact, 0: beyond} {
				ts.Check(ts.Exec("perdure", "get-instances", "--function-name", status.Name, "--id-prefix", string(status.ID), option, bound, "-o", "legacy"))
				if got := strings.Count(ts.ReadFile("stdout"), `"InstanceId"`); got != want {
					ts.Fatalf("%s %s finds %d instances created at %s, want %d", option, bound, got, exact, want)
				}
			}
		}
	}
}

// heldCommand returns once the app has found out that it does not know the
// orchestrator of an instance: held ID.
func heldCommand(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(hostKey{}).(*hosted)
	for {
		e, err := h.info.Client.Explain(context.Background(), client.InstanceID(args[0]))
		ts.Check(err)
		if e.Action == "deploy" {
			return
		}
		runtime.Gosched()
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

// app is what the scripts' hosts run.
func app(dir string) *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Echo", echo)
	perdure.AddOrchestrator(app, "Wait", wait)
	perdure.AddOrchestrator(app, "Fail", fail)
	perdure.AddOrchestrator(app, "Panic", func(*perdure.OrchestrationContext, any) (any, error) { panic("broken") })
	perdure.AddOrchestrator(app, "Parent", parent)
	perdure.AddOrchestrator(app, "Order", order)
	perdure.AddActivity(app, "Reserve", func(_ context.Context, _ any) (any, error) { return appendLine(dir, "reserved.txt") })
	perdure.AddActivity(app, "Charge", func(_ context.Context, _ any) (any, error) {
		if _, err := os.Stat(filepath.Join(dir, "gateway.txt")); err != nil {
			return nil, errors.New("the payment gateway is down")
		}
		return "charged", nil
	})
	return app
}

func echo(_ *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
	return in, nil
}

func wait(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	if err := ctx.SetCustomStatus("waiting"); err != nil {
		return nil, err
	}
	return perdure.WaitForExternalEvent[any](ctx, "go").Await()
}

func fail(*perdure.OrchestrationContext, any) (any, error) { return nil, errors.New("it broke") }

func parent(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	return perdure.CallSubOrchestrator(ctx, wait, nil, perdure.WithInstanceID(ctx.InstanceID()+"-child")).Await()
}

const (
	reserve = perdure.ActivityRef[any, any]("Reserve")
	charge  = perdure.ActivityRef[any, any]("Charge")
)

// order fails as long as its second activity does.
func order(ctx *perdure.OrchestrationContext, _ any) (any, error) {
	if _, err := reserve.Call(ctx, nil).Await(); err != nil {
		return nil, err
	}
	return charge.Call(ctx, nil).Await()
}

// appendLine leaves a trace of an activity that ran.
func appendLine(dir, name string) (any, error) {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString("ran\n")
	return nil, errors.Join(err, file.Close())
}
