package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/bench/peers/peer"
)

// system is a program that measures one system: one workload, once, on an empty
// store in a process of its own.
type system struct {
	name    string
	source  string   // folder of its main package, from bench/peers
	args    []string // besides -workload, -dir and -quick, which all have
	only    []string // the workloads that it is run beside; none: all
	version string   // facts of those that print none
	durable string
}

var systems = []system{
	{name: "perdure", source: "..", args: []string{"-runs", "1"}, version: "this checkout",
		durable: "each commit synced in Pebble's write-ahead log before anything is acknowledged; there is no other setting"},
	{name: "floor", source: "..", args: []string{"-runs", "1"}, version: "this checkout",
		only:    []string{"hello", "hello1000", "latency", "chain"}, // those whose aims name it
		durable: "the store of Perdure alone, and the disk alone; synced the same way"},
	{name: "dbos-postgres", source: "./dbos", args: []string{"-store", "postgres"}},
	{name: "dbos-sqlite", source: "./dbos", args: []string{"-store", "sqlite", "-hellos", "3000"}},
	{name: "restate-journaled", source: "./restate", args: []string{"-server", restateServer(), "-activities", "journaled"}},
	{name: "restate-dispatched", source: "./restate", args: []string{"-server", restateServer(), "-activities", "dispatched", "-hellos", "2000"},
		only: []string{"hello", "hello1000", "latency", "fanout", "chain"}}, // events has no activities
}

func systemNames() (names []string) {
	for _, s := range systems {
		names = append(names, s.name)
	}
	return names
}

// restateServer is where npm puts the program of the server for this machine.
func restateServer() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	file := "restate/node_modules/@restatedev/restate-server-" + runtime.GOOS + "-" + arch + "/bin/restate-server"
	if absolute, err := filepath.Abs(file); err == nil {
		return absolute
	}
	return file
}

// plan is what to run.
type plan struct {
	workloads []string
	systems   []system
	runs      int
}

// newPlan makes a plan of comma-separated lists.
func newPlan(workloads, chosen string, runs int) (plan, error) {
	p := plan{runs: runs}
	for name := range strings.SplitSeq(workloads, ",") {
		if !slices.Contains(workloadNames(), name) {
			return plan{}, fmt.Errorf("workload %q is unknown; known are %s", name, strings.Join(workloadNames(), ", "))
		}
		p.workloads = append(p.workloads, name)
	}
	for name := range strings.SplitSeq(chosen, ",") {
		i := slices.Index(systemNames(), name)
		if i < 0 {
			return plan{}, fmt.Errorf("system %q is unknown; known are %s", name, strings.Join(systemNames(), ", "))
		}
		p.systems = append(p.systems, systems[i])
	}
	if runs < 1 {
		return plan{}, fmt.Errorf("-runs is %d, must be at least 1", runs)
	}
	return p, nil
}

// run does what is planned: workload by workload, each in rounds, in each round
// all systems one after another. So those that are compared have run within
// minutes of each other, in turn, on the same disk. If one fails the others go on.
func (p plan) run(ctx context.Context, dir string, quick bool, progress io.Writer) (results []peer.Result, err error) {
	bin, err := os.MkdirTemp("", "bench-peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	programs, err := p.build(ctx, bin)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, workload := range p.workloads {
		for round := range p.runs {
			for _, s := range p.systems {
				if len(s.only) > 0 && !slices.Contains(s.only, workload) {
					continue
				}
				fmt.Fprintf(progress, "%s, run %d of %d: %s", workload, round+1, p.runs, s.name)
				if !quick {
					settle(ctx)
				}
				measured, err := s.measure(ctx, programs[s.source], workload, dir, quick)
				if ctx.Err() != nil {
					return results, errors.Join(append(failed, context.Cause(ctx))...)
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("%s of %s: %w", workload, s.name, err))
				}
				results = append(results, measured...)
				fmt.Fprintln(progress, summary(measured, err))
			}
		}
	}
	return results, errors.Join(failed...)
}

// build makes the programs of the systems, by their sources.
func (p plan) build(ctx context.Context, bin string) (map[string]string, error) {
	programs := map[string]string{}
	for _, s := range p.systems {
		programs[s.source] = filepath.Join(bin, "bench-"+filepath.Base(s.source))
	}
	for _, source := range slices.Sorted(maps.Keys(programs)) {
		// In the folder of the source, for it may be of another module.
		build := exec.CommandContext(ctx, "go", "build", "-C", source, "-o", programs[source], ".")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", build, err, out)
		}
	}
	return programs, nil
}

// settle lets the disk finish what the run before has left to it: pages to write,
// blocks of deleted files to give back. So no system pays for another.
func settle(ctx context.Context) {
	_ = exec.CommandContext(ctx, "sync").Run() // where there is none, resting must do
	rest := time.NewTimer(3 * time.Second)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
}

// limit is how long a run may take before it counts as failed.
const limit = 10 * time.Minute

// measure runs one workload once.
func (s system) measure(ctx context.Context, program, workload, dir string, quick bool) ([]peer.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	own := workload
	if s.name == "floor" {
		own = "floor" // its only one
	}
	args := append([]string{"-workload", own, "-dir", dir}, s.args...)
	if quick {
		args = append(args, "-quick")
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // it stops its servers
	command.WaitDelay = time.Minute
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &stderr)
	}
	results, err := parse(stdout.Bytes())
	for i := range results {
		if results[i].Fact == "" {
			results[i].Workload = workload // the floor's too: it is the floor beside that workload
		}
	}
	if s.version != "" {
		results = append(results, peer.Result{System: s.name, Fact: "version", Text: s.version},
			peer.Result{System: s.name, Fact: "durability", Text: s.durable})
	}
	return results, err
}

// summary is what a run has led to, in a line.
func summary(measured []peer.Result, err error) string {
	if err != nil {
		return ": " + err.Error()
	}
	var text strings.Builder
	for _, r := range measured {
		if r.Fact == "" {
			fmt.Fprintf(&text, "; %s %s %s", r.Metric, short(r.Value), r.Unit)
		}
	}
	return text.String()
}
