// Command bench measures Perdure: whole orchestrations through the client, with
// the embedded store on a real disk and every commit synced before it is
// acknowledged. Beside them stands the floor: what the same store does when it
// is given the same bytes and nothing else happens.
//
//	go run . [-workload hello,latency] [-runs 3] [-quick] [-dir folder] [-cpuprofile file]
//	go run . -growth folder [-workload growth-stored] ...
//
// Standard output has one JSON object a line for each result, the median of the
// runs, and nothing else:
//
//	{"system":"perdure","workload":"hello","metric":"throughput","value":1900,"unit":"orchestrations/s"}
//
// With -growth it measures curves: lines have the x that they are about too, and
// a picture of each curve is drawn into the folder.
//
// What people want to know besides goes to standard error. What the workloads
// are and how to read them is in docs/performance.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // what host.Main gives an app
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("workload", "", "comma-separated `list` of "+strings.Join(namesOf(workloads, workloadName), ", ")+"; empty: all")
	runs := flags.Int("runs", 3, "how often each workload runs; medians are printed")
	quick := flags.Bool("quick", false, "tiny sizes: shows that everything works, measures nothing")
	dir := flags.String("dir", "", "`folder` on the disk to measure; empty: the system's folder for temporary files")
	pictures := flags.String("growth", "", "measure growth curves instead, and draw them into this `folder`")
	profile := flags.String("cpuprofile", "", "write a CPU profile of all runs to `file`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	site := site{dir: *dir, size: full}
	if *quick {
		site.size = small
	}
	todo, err := plan(*names, *pictures, *runs, site)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	fmt.Fprintf(stderr, "%s %s/%s, %d cores, medians of %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *runs)
	if err := profiled(*profile, func() error { return todo(ctx, stdout, stderr) }); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// plan returns what the flags ask for: workloads, or curves if there is a folder
// for their pictures.
func plan(names, pictures string, runs int, site site) (todo func(ctx context.Context, stdout, stderr io.Writer) error, err error) {
	if runs < 1 {
		return nil, fmt.Errorf("-runs is %d, must be at least 1", runs)
	}
	if pictures != "" {
		chosen, err := choose(names, curves, curveName)
		return func(ctx context.Context, stdout, stderr io.Writer) error {
			return grow(ctx, chosen, runs, site, pictures, stdout, stderr)
		}, err
	}
	chosen, err := choose(names, workloads, workloadName)
	return func(ctx context.Context, stdout, stderr io.Writer) error {
		return measure(ctx, chosen, runs, site, stdout, stderr)
	}, err
}

// site is where and how big to measure.
type site struct {
	dir        string // parent of the stores' folders; empty: the system's temporary folder
	size       size
	partitions int // of hubs; 0: the default
}

// workload is something to measure. Each run begins with an empty store.
type workload struct {
	system string
	name   string
	run    func(ctx context.Context, site site) ([]metric, error)
}

// metric is one number that a run of a workload leads to. All runs of a
// workload lead to the same metrics in the same order.
type metric struct {
	name  string
	value float64
	unit  string
}

var workloads = []workload{
	{"perdure", "hello", helloBy(callers)},
	{"perdure", "hello1000", helloBy(manyCallers)},
	{"floor", "floor", runFloor},
	{"perdure", "start-only", runStartOnly},
	{"perdure", "latency", runLatency},
	{"perdure", "fanout", runFanOut},
	{"perdure", "chain", runChain},
	{"perdure", "events", runEvents},
	{"perdure", "memory", runMemory},
	{"perdure", "stored", runStored},
	{"perdure", "waiting", runWaiting},
	{"perdure", "list", runList},
	{"perdure", "purge", runPurge},
	{"perdure", "noisy-neighbour", runNoisyNeighbour},
	{"perdure", "overload", runOverload},
}

func workloadName(w workload) string { return w.name }

// namesOf returns the names of all there are.
func namesOf[T any](all []T, name func(T) string) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = name(all[i])
	}
	return names
}

// choose returns those of a comma-separated list of names, all if it is empty.
func choose[T any](list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	names := namesOf(all, name)
	var chosen []T
	for asked := range strings.SplitSeq(list, ",") {
		i := slices.Index(names, strings.TrimSpace(asked))
		if i < 0 {
			return nil, fmt.Errorf("workload %q is unknown; known are %s", asked, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// result is a line of output.
type result struct {
	System   string  `json:"system"`
	Workload string  `json:"workload"`
	Metric   string  `json:"metric"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
}

// measure runs each workload and writes the medians to stdout.
func measure(ctx context.Context, chosen []workload, runs int, site site, stdout, stderr io.Writer) error {
	lines := json.NewEncoder(stdout)
	for _, w := range chosen {
		var all [][]metric
		began := time.Now()
		for range runs {
			metrics, err := w.run(ctx, site)
			if err != nil {
				return fmt.Errorf("workload %s: %w", w.name, err)
			}
			all = append(all, metrics)
		}
		fmt.Fprintf(stderr, "%s, %s:\n", w.name, time.Since(began).Round(100*time.Millisecond))
		for i, m := range medianOf(all) {
			values := make([]float64, runs)
			for k := range all {
				values[k] = all[k][i].value
			}
			fmt.Fprintf(stderr, "  %-28s %.4g %s\n", m.name, values, m.unit)
			if err := lines.Encode(result{w.system, w.name, m.name, m.value, m.unit}); err != nil {
				return fmt.Errorf("write results: %w", err)
			}
		}
	}
	return nil
}

// quantile returns the value below or at which the fraction q of values lies.
// It sorts values.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(q*float64(len(values)-1)+0.5)]
}

// profiled calls f and writes a CPU profile of it to file, if one is named.
func profiled(file string, f func() error) error {
	if file == "" {
		return f()
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errors.Join(err, out.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}
