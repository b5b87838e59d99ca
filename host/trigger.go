package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/perdure/perdure/client"
)

// HTTPFunction is an HTTP function of an app. It is served at Pattern, and
// below /api as Functions have it: "POST /orders" answers at /orders and
// /api/orders. The management API's own paths come first. Requests are checked
// as those to the management API are: where that needs a key, so does this.
type HTTPFunction struct {
	Pattern string                              // of [http.ServeMux]
	New     func(c *client.Client) http.Handler // called once, with a client of the app's hub
}

// HTTP adds an HTTP function; see [HTTPFunction].
func HTTP(pattern string, new func(c *client.Client) http.Handler) MainOption {
	return func(o *Options) { o.HTTP = append(o.HTTP, HTTPFunction{pattern, new}) }
}

// TickFunction is a function that runs on a schedule, in UTC, while the host
// runs:
//
//	0 0 12 * * *      six fields: second, minute, hour, day, month, day of the week
//	@every 1h30m      and @hourly, @daily, @weekly, @monthly, @yearly
//
// A tick that comes while the one before still runs is skipped, and one that
// would have come while no host ran is not made up for. Ticks follow a clock
// that is set; one that is set back by less than the time between two ticks
// repeats none. An error or a panic is logged. ctx ends when the host stops,
// which waits for the function.
type TickFunction struct {
	Name     string
	Schedule string
	Do       func(ctx context.Context, c *client.Client, tick TickTime) error
}

// TickTime is why a [TickFunction] runs.
type TickTime struct {
	Due  time.Time // by the schedule
	Next time.Time // when the tick after this one is due
}

// Tick adds a timer function; see [TickFunction].
func Tick(name, schedule string, do func(ctx context.Context, c *client.Client, tick TickTime) error) MainOption {
	return func(o *Options) { o.Timers = append(o.Timers, TickFunction{name, schedule, do}) }
}

// seconds come first, as in Functions.
var schedules = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func parseSchedule(text string) (cron.Schedule, error) {
	if strings.Contains(text, "TZ=") {
		return nil, errors.New("schedules are in UTC and name no time zone")
	}
	schedule, err := schedules.Parse(text)
	if err != nil {
		return nil, err
	}
	if schedule.Next(time.Now().UTC()).IsZero() {
		return nil, errors.New("that time never comes")
	}
	return schedule, nil
}

// checkTriggers reports every mistake in the HTTP and timer functions.
func checkTriggers(o Options) error {
	var all error
	mux := http.NewServeMux()
	for _, f := range o.HTTP {
		if f.New == nil {
			all = errors.Join(all, fmt.Errorf("HTTP function %q: it has no handler", f.Pattern))
		} else {
			all = errors.Join(all, checkPattern(mux, f.Pattern))
		}
	}
	names := map[string]bool{}
	for _, f := range o.Timers {
		_, err := parseSchedule(f.Schedule)
		switch {
		case f.Name == "":
			all = errors.Join(all, fmt.Errorf("timer function with schedule %q: it has no name", f.Schedule))
		case names[strings.ToLower(f.Name)]:
			all = errors.Join(all, fmt.Errorf("timer function %s: there are two of that name", f.Name))
		case f.Do == nil:
			all = errors.Join(all, fmt.Errorf("timer function %s: it has nothing to do", f.Name))
		case err != nil:
			all = errors.Join(all, fmt.Errorf(`timer function %s: schedule %q: %w; write six fields, seconds first, such as "0 0 12 * * *", or "@every 1h"`, f.Name, f.Schedule, err))
		}
		names[strings.ToLower(f.Name)] = true
	}
	return all
}

// checkPattern reports what is wrong with a pattern, or which one before it
// conflicts with it: a mux says so by a panic only.
func checkPattern(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("HTTP function %q: %v", pattern, p)
		}
	}()
	mux.Handle(pattern, http.NotFoundHandler())
	return nil
}

// apiPrefix is where Functions have HTTP functions unless configured.
const apiPrefix = "/api"

// httpPaths tells for which requests there is an HTTP function of the app.
func httpPaths(functions []HTTPFunction) func(*http.Request) bool {
	mux := http.NewServeMux()
	for _, f := range functions {
		mux.Handle(f.Pattern, http.NotFoundHandler())
	}
	return func(r *http.Request) bool {
		_, pattern := mux.Handler(r)
		return pattern != ""
	}
}

// httpFunctions serves the HTTP functions, which [checkTriggers] found right.
func httpFunctions(functions []HTTPFunction, c *client.Client) http.Handler {
	mux := http.NewServeMux()
	for _, f := range functions {
		mux.Handle(f.Pattern, f.New(c))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" && strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
			http.StripPrefix(apiPrefix, mux).ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// run calls f at the times of its schedule until ctx ends.
func (f TickFunction) run(ctx context.Context, c *client.Client, log *slog.Logger, clock func() time.Time) {
	schedule, err := parseSchedule(f.Schedule)
	if err != nil {
		return // checkTriggers has refused it
	}
	log = log.With("function", f.Name)
	now := func() time.Time { return clock().UTC().Round(0) } // as the clock says, whatever time has passed
	for due := schedule.Next(now()); ; {
		var alive bool
		if due, alive = await(ctx, schedule, due, now); !alive {
			return
		}
		began := time.Now()
		if err := f.call(ctx, c, TickTime{Due: due, Next: schedule.Next(due)}); err != nil {
			log.Error("timer function", "due", due, "error", err)
		} else {
			log.Info("timer function", "due", due, "took", time.Since(began))
		}
		next := schedule.Next(now())
		if missed := schedule.Next(due); missed.Before(next) {
			log.Warn("timer function took longer than its schedule: ticks are skipped", "first", missed, "next", next)
		}
		due = next
	}
}

// await waits until the clock is not before due, and returns that tick; if the
// clock is set back meanwhile, the one that is next then. It reports whether
// ctx is still alive.
func await(ctx context.Context, schedule cron.Schedule, due time.Time, now func() time.Time) (time.Time, bool) {
	period := schedule.Next(due).Sub(due)
	for {
		left := due.Sub(now())
		if left <= 0 {
			return due, ctx.Err() == nil
		}
		if next := schedule.Next(now()); due.Sub(next) > period {
			due = next
			continue
		}
		if !sleep(ctx, min(left, lookAgain)) {
			return due, false
		}
	}
}

// call runs the function once. Its panic becomes an error.
func (f TickFunction) call(ctx context.Context, c *client.Client, tick TickTime) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f.Do(ctx, c, tick)
}
