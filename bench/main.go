// Command bench measures Perdure: whole orchestrations through the client, with
// the embedded store on a real disk and every commit synced before it is
// acknowledged. Beside them stands the floor: what the same store does when it
// is given the same bytes and nothing else happens.
//
//	go run . [-workload hello,latency] [-runs 3] [-quick] [-dir folder] [-cpuprofile file]
//
// Standard output has one JSON object a line for each result, the median of the
// runs, and nothing else:
//
//	{"system":"perdure","workload":"hello","metric":"throughput","value":1900,"unit":"orchestrations/s"}
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
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("workload", "", "comma-separated `list` of "+strings.Join(workloadNames(), ", ")+"; empty: all")
	runs := flags.Int("runs", 3, "how often each workload runs; medians are printed")
	quick := flags.Bool("quick", false, "tiny sizes: shows that everything works, measures nothing")
	dir := flags.String("dir", "", "`folder` on the disk to measure; empty: the system's folder for temporary files")
	profile := flags.String("cpuprofile", "", "write a CPU profile of all runs to `file`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	chosen, err := choose(*names)
	if err == nil && *runs < 1 {
		err = fmt.Errorf("-runs is %d, must be at least 1", *runs)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	site := site{dir: *dir, size: full}
	if *quick {
		site.size = small
	}
	if err := profiled(*profile, func() error { return measure(ctx, chosen, *runs, site, stdout, stderr) }); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
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
	{"floor", "floor", runFloor},
}

func workloadNames() []string {
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.name
	}
	return names
}

// choose returns the workloads of a comma-separated list, all if it is empty.
func choose(list string) ([]workload, error) {
	if list == "" {
		return workloads, nil
	}
	var chosen []workload
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(workloadNames(), strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("workload %q is unknown; known are %s", name, strings.Join(workloadNames(), ", "))
		}
		chosen = append(chosen, workloads[i])
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
	fmt.Fprintf(stderr, "%s %s/%s, %d cores, medians of %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runs)
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
		for i, m := range all[0] {
			values := make([]float64, runs)
			for k := range all {
				values[k] = all[k][i].value
			}
			fmt.Fprintf(stderr, "  %-28s %.4g %s\n", m.name, values, m.unit)
			if err := lines.Encode(result{w.system, w.name, m.name, quantile(values, 0.5), m.unit}); err != nil {
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
