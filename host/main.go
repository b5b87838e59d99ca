package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
)

// MainOption varies [Main].
type MainOption func(*Options)

// OnStart calls do once the app can be used, in a goroutine of its own; ctx
// ends when the app stops. An error stops the app.
func OnStart(do func(ctx context.Context, c *client.Client) error) MainOption {
	return func(o *Options) {
		o.OnReady = func(ctx context.Context, info Info) error { return do(ctx, info.Client) }
	}
}

// Main is the whole main function of a function app: it reads the command line,
// runs app until SIGINT or SIGTERM and exits with 0; 1 when something went
// wrong, 2 when the command line is wrong. A second signal ends the process at
// once.
//
// Main lets the heap grow to five times what lives before it is collected,
// unless the environment sets GOGC. It keeps below what the cgroup of the
// process allows, unless GOMEMLIMIT says where to keep.
func Main(app *perdure.App, options ...MainOption) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal does what signals do
	collectLess()
	limitMemory()
	os.Exit(runMain(ctx, app, os.Args[1:], os.Stdout, os.Stderr, options...))
}

// gcPercent is how much the heap may grow between two collections. Little lives
// in an app's heap, so at Go's 100 it would be collected many times a second,
// for a seventh of the CPU time of a hello.
const gcPercent = 400

// collectLess sets gcPercent, unless the environment says what it should be.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func runMain(ctx context.Context, app *perdure.App, args []string, stdout, stderr io.Writer, options ...MainOption) int {
	o, level, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "%v (-h lists the flags)\n", err)
		return 2
	}
	o.Stdout = stdout
	o.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	o.stopping = func(activities int, within time.Duration) { fmt.Fprintln(stderr, stoppingText(activities, within)) }
	for _, option := range options {
		option(&o)
	}
	if err := Run(ctx, app, o); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// stoppingText tells who pressed Ctrl-C what is waited for.
func stoppingText(activities int, within time.Duration) string {
	switch activities {
	case 0:
		return "stopping; Ctrl-C again ends at once"
	case 1:
		return fmt.Sprintf("stopping: 1 activity gets %s to finish; Ctrl-C again ends at once", within)
	}
	return fmt.Sprintf("stopping: %d activities get %s to finish; Ctrl-C again ends at once", activities, within)
}

// parseFlags reads the command line of an app; help goes to stdout.
func parseFlags(args []string, stdout io.Writer) (Options, slog.Level, error) {
	o := Options{Port: ConfiguredPort}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("port", "`port` of the HTTP API; 0 takes a free one (default: Host.LocalHttpPort of local.settings.json, else 7071)", func(text string) (err error) {
		if o.Port, err = strconv.Atoi(text); err != nil || o.Port < 0 || o.Port > 65535 {
			return errors.New("a port is a number from 0 to 65535")
		}
		return nil
	})
	flags.StringVar(&o.DataDir, "data-dir", "", "`folder` of the store (default: .perdure beside host.json or local.settings.json, else in the working directory)")
	flags.StringVar(&o.Address, "address", "", "IP `address` to listen on; one that others than this machine can reach makes a key necessary (default: Host.LocalHttpAddress of local.settings.json, else 127.0.0.1)")
	flags.StringVar(&o.Address, "host", "", "the same as --address")
	flags.BoolVar(&o.PlainHTTP, "plain-http", false, "let such an address go without TLS: something in front of it encrypts")
	flags.DurationVar(&o.DrainTimeout, "drain-timeout", drainTimeout(o), "how long running functions may take to finish at the end")
	verbose := flags.Bool("verbose", false, "log starts and ends of functions, and where each setting comes from")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "Flags:")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, 0, err
	case err != nil:
		return o, 0, err
	case flags.NArg() > 0:
		return o, 0, fmt.Errorf("unexpected argument %q", strings.Join(flags.Args(), " "))
	case o.DrainTimeout <= 0:
		return o, 0, fmt.Errorf("--drain-timeout %v is not positive", o.DrainTimeout)
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	return o, level, nil
}
