package peer

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Program is a peer's program.
type Program struct {
	// Flags adds the peer's own flags. May be nil.
	Flags func(*flag.FlagSet)
	// Open starts the system on an empty store in dir. Its AwaitGo calls waiting.
	Open func(ctx context.Context, dir string, waiting func()) (System, About, error)
}

// Main is the main function of a peer's program. It does not return.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := p.Run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Result is a line of output: a number, in the form of Perdure's own benchmark,
// or a fact about the system.
type Result struct {
	System   string    `json:"system"`
	Workload string    `json:"workload,omitempty"`
	Metric   string    `json:"metric,omitempty"`
	Value    float64   `json:"value,omitempty"`
	Unit     string    `json:"unit,omitempty"`
	Runs     []float64 `json:"runs,omitempty"` // all values, if Value is their median
	Fact     string    `json:"fact,omitempty"`
	Text     string    `json:"text,omitempty"`
}

// Run measures each workload once, each with a system of its own on an empty
// store, and writes results, a JSON object a line, to stdout.
func (p Program) Run(ctx context.Context, args []string, stdout io.Writer) error {
	z := full
	flags := flag.NewFlagSet("peer", flag.ContinueOnError)
	chosen := flags.String("workload", strings.Join(names(), ","), "comma-separated `list` of workloads")
	dir := flags.String("dir", "", "`folder` on the disk to measure; empty: the system's folder for temporary files")
	quick := flags.Bool("quick", false, "tiny sizes: shows that everything works, measures nothing")
	flags.IntVar(&z.hellos, "hellos", z.hellos, "how many orchestrations hello runs; hello1000 runs twice as many")
	if p.Flags != nil {
		p.Flags(flags)
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		z = small
	}
	for name := range strings.SplitSeq(*chosen, ",") {
		i := slices.Index(names(), name)
		if i < 0 {
			return fmt.Errorf("workload %q is unknown; known are %s", name, strings.Join(names(), ", "))
		}
		if err := p.measure(ctx, workloads[i], *dir, z, stdout); err != nil {
			return fmt.Errorf("workload %s: %w", name, err)
		}
	}
	return nil
}

func names() (all []string) {
	for _, w := range workloads {
		all = append(all, w.name)
	}
	return all
}

// measure runs one workload once, after a warm-up.
func (p Program) measure(ctx context.Context, w workload, parent string, z size, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp(parent, "peer-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	waiting := make(chan struct{}, z.events)
	s, about, err := p.Open(ctx, dir, func() {
		select {
		case waiting <- struct{}{}:
		default: // all have said so before: this is a repetition of one
		}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := each(ctx, 20, z.warmUp, func(int) error { return greet(ctx, s) }); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	metrics, err := w.run(ctx, &site{s, z, waiting})
	if err != nil {
		return err
	}
	return write(stdout, about, w.name, metrics)
}

// write writes what is to be known about a system and what was measured.
func write(stdout io.Writer, about About, workload string, metrics []metric) error {
	results := []Result{
		{System: about.System, Fact: "version", Text: about.Version},
		{System: about.System, Fact: "durability", Text: about.Durability},
		{System: about.System, Fact: "tuning", Text: about.Tuning},
	}
	for _, m := range metrics {
		results = append(results, Result{System: about.System, Workload: workload, Metric: m.name, Value: m.value, Unit: m.unit})
	}
	lines := json.NewEncoder(stdout)
	for _, r := range results {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
