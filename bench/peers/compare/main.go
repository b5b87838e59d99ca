// Command compare runs Perdure, the floor and the peers in turn and sets them
// beside each other. `make bench-peers` runs it, after it has installed what the
// peers need; it is run in the folder bench/peers:
//
//	go run ./compare [-workload hello,latency] [-systems perdure,floor,dbos-sqlite] [-runs 3] [-quick] [-dir folder]
//	go run ./compare -json results.jsonl
//
// Standard output has one JSON object a line for each result, the median of the
// runs, and for each fact about a system, then a table in Markdown. It can be
// saved and given to -json, which measures nothing and writes the table anew; of
// lines that say the same of different runs the last one counts.
package main

import (
	"bufio"
	"bytes"
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

	"github.com/perdure/perdure/bench/peers/peer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// run is the program. What could be measured is written even if not all could.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	workloads := flags.String("workload", strings.Join(workloadNames(), ","), "comma-separated `list` of workloads")
	chosen := flags.String("systems", strings.Join(systemNames(), ","), "comma-separated `list` of systems")
	runs := flags.Int("runs", 3, "how often each workload runs; medians are printed")
	quick := flags.Bool("quick", false, "tiny sizes: shows that everything works, measures nothing")
	dir := flags.String("dir", "", "`folder` on the disk to measure; empty: the system's folder for temporary files")
	saved := flags.String("json", "", "`file` of saved output to write the table from, without measuring")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *saved != "" {
		text, err := os.ReadFile(*saved)
		if err != nil {
			return err
		}
		results, err := parse(text)
		return errors.Join(err, render(stdout, results))
	}
	plan, err := newPlan(*workloads, *chosen, *runs)
	if err != nil {
		return err
	}
	if *quick {
		fmt.Fprintln(stderr, "-quick: the figures mean nothing")
	}
	measured, err := plan.run(ctx, *dir, *quick, stderr)
	if len(measured) == 0 {
		return err
	}
	results := medians(measured)
	lines := json.NewEncoder(stdout)
	for _, r := range results {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return errors.Join(err, render(stdout, results))
}

// parse reads the lines that are JSON objects and skips all others.
func parse(text []byte) ([]peer.Result, error) {
	var results []peer.Result
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if !bytes.HasPrefix(lines.Bytes(), []byte("{")) {
			continue
		}
		var r peer.Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		results = append(results, r)
	}
	return results, lines.Err()
}

// medians makes one result of those that say the same of different runs, and one
// fact of those that say the same.
func medians(measured []peer.Result) []peer.Result {
	var results []peer.Result
	for _, r := range measured {
		i := slices.IndexFunc(results, func(known peer.Result) bool {
			return known.System == r.System && known.Workload == r.Workload && known.Metric == r.Metric && known.Fact == r.Fact
		})
		if i < 0 {
			i = len(results)
			results = append(results, r)
		}
		if r.Fact == "" {
			results[i].Runs = append(results[i].Runs, r.Value)
		}
	}
	for i := range results {
		if runs := slices.Sorted(slices.Values(results[i].Runs)); len(runs) > 0 {
			results[i].Value = runs[len(runs)/2]
		}
	}
	return results
}
