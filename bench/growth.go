package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// curve is something that is measured at growing x, and drawn.
type curve struct {
	name  string // of the workload, and of the picture
	title string
	of    string               // what x counts
	tick  func(float64) string // writes an x
	log   bool                 // the y axes, also of other units than ms
	xs    func(size) []int     // in order
	// run reports what each x leads to, in order: the same metrics each time.
	run func(ctx context.Context, site site, xs []int, report func(x int, metrics []metric) error) error
}

var curves = []curve{
	{"growth-stored", "Hello, with completed instances in the store", "completed instances", number, false,
		func(s size) []int { return s.growthStored }, growStored},
	{"growth-idle", "Hello, with instances that wait for an event", "waiting instances", number, false,
		func(s size) []int { return s.growthIdle }, growIdle},
	{"growth-history", "One instance, the longer its history", "events in the history", number, true,
		func(s size) []int { return s.growthHistory }, growHistory},
	{"growth-payload", "Input, activity's input and result, output: all of one size, 16 callers", "size of each", bytesTick, true,
		func(s size) []int { return s.growthPayload }, growPayload},
	{"growth-partitions", "Hello, by partitions of the hub", "partitions", number, false,
		func(s size) []int { return s.growthPartitions }, growPartitions},
}

func curveName(c curve) string { return c.name }

// growPoint is a line of output.
type growPoint struct {
	System   string  `json:"system"`
	Workload string  `json:"workload"`
	X        int     `json:"x"`
	Of       string  `json:"of"` // what x counts
	Metric   string  `json:"metric"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
}

// grow measures curves, writes their points to stdout and their pictures to the
// folder pictures. Each run is a run of the whole curve; medians count.
func grow(ctx context.Context, chosen []curve, runs int, site site, pictures string, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(pictures, 0o777); err != nil {
		return err
	}
	for _, c := range chosen {
		began := time.Now()
		measured := make(map[int][][]metric) // by x, run by run
		xs := c.xs(site.size)
		for range runs {
			err := c.run(ctx, site, xs, func(x int, metrics []metric) error {
				measured[x] = append(measured[x], metrics)
				return nil
			})
			if err != nil {
				return fmt.Errorf("curve %s: %w", c.name, err)
			}
		}
		fmt.Fprintf(stderr, "%s, %s\n", c.name, time.Since(began).Round(100*time.Millisecond))
		lines := json.NewEncoder(stdout)
		medians := make(map[int][]metric)
		for _, x := range xs {
			medians[x] = medianOf(measured[x])
			for _, m := range medians[x] {
				if err := lines.Encode(growPoint{"perdure", c.name, x, c.of, m.name, m.value, m.unit}); err != nil {
					return fmt.Errorf("write results: %w", err)
				}
			}
		}
		if err := os.WriteFile(filepath.Join(pictures, c.name+".svg"), c.picture(xs, medians).svg(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// medianOf returns the medians of the metrics of some runs.
func medianOf(runs [][]metric) []metric {
	medians := slices.Clone(runs[0])
	for i := range medians {
		values := make([]float64, len(runs))
		for k := range runs {
			values[k] = runs[k][i].value
		}
		medians[i].value = quantile(values, 0.5)
	}
	return medians
}

// picture is the chart of a curve, with a panel for each unit.
func (c *curve) picture(xs []int, metrics map[int][]metric) *chart {
	drawn := &chart{title: c.title, xLabel: c.of, xTick: c.tick}
	for i, m := range metrics[xs[0]] {
		row := line{name: strings.ReplaceAll(m.name, "_", " ")}
		for _, x := range xs {
			row.points = append(row.points, point{float64(x), metrics[x][i].value})
		}
		at := slices.IndexFunc(drawn.panels, func(p panel) bool { return p.unit == m.unit })
		if at < 0 {
			at = len(drawn.panels)
			drawn.panels = append(drawn.panels, panel{unit: m.unit, log: c.log || m.unit == "ms"}) // medians beside tails
		}
		drawn.panels[at].rows = append(drawn.panels[at].rows, row)
	}
	return drawn
}

// bytesTick writes a number of bytes that is a power of two.
func bytesTick(n float64) string {
	for _, unit := range []struct {
		bytes float64
		name  string
	}{{1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if n >= unit.bytes {
			return strconv.FormatFloat(n/unit.bytes, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(n, 'g', 4, 64) + " B"
}

// pulse measures what hello is like in the hub as it is: throughput with 100
// callers and CPU time, medians of some rounds, and latency one at a time.
func (p *process) pulse(ctx context.Context, size size) ([]metric, error) {
	rounds := make([][]metric, 3)
	for i := range rounds {
		metrics, err := p.hellos(ctx, callers, size.pulse)
		if err != nil {
			return nil, err
		}
		rounds[i] = metrics[:2] // throughput and cpu
	}
	took, err := p.hellosUntil(ctx, after(size.latencies))
	if err != nil {
		return nil, err
	}
	return append(medianOf(rounds), metric{"latency_p50", quantile(took, 0.5), "ms"}, metric{"latency_p99", quantile(took, 0.99), "ms"}), nil
}

// growPartitions measures hello in hubs of x partitions.
func growPartitions(ctx context.Context, site site, xs []int, report func(int, []metric) error) error {
	for _, x := range xs {
		site.partitions = x
		metrics, err := withFolder(site, func(f *folder) ([]metric, error) { return f.restarted(ctx, site.size, nil) })
		if err == nil {
			err = report(x, metrics)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restarted closes the store, starts a hub on it and takes its pulse, and what
// more is asked for; and it returns how long the start took.
func (f *folder) restarted(ctx context.Context, size size, more func(p *process) (metric, error)) ([]metric, error) {
	if err := f.db.Close(); err != nil {
		return nil, err
	}
	p, took, err := f.serve(ctx)
	if err != nil {
		return nil, err
	}
	err = settle(ctx, size.idle) // after the crowd was stored, and moved into tables by Close
	var metrics []metric
	if err == nil {
		metrics, err = p.pulse(ctx, size)
	}
	if err == nil && more != nil {
		var m metric
		m, err = more(p)
		metrics = append(metrics, m)
	}
	return append(metrics, metric{"restart", took, "s"}), errors.Join(err, p.stop())
}
