package main

import "fmt"

// subject is a workload of the table: which of its metrics are shown, and what
// Perdure is to reach.
type subject struct {
	workload string
	metrics  []string // shown of every system; the first one tells which peer is best
	floor    []string // shown of the floor
	aims     []aim
}

// aim is a claim about Perdure's figures of one workload.
type aim struct {
	text  string
	check func(f figures) (got string, met bool, err error)
}

// subjects are the workloads that peers can do, with the aims that were set
// before anything was measured.
var subjects = []subject{
	{"hello", []string{"throughput", "cpu"}, []string{"throughput_stepwise"}, helloAims("throughput_stepwise")},
	{"hello1000", []string{"throughput", "cpu"}, []string{"throughput_stepwise_1000"}, helloAims("throughput_stepwise_1000")},
	{"latency", []string{"p50", "p99"}, []string{"fsync"}, []aim{
		{"p50 under 5 syncs of the disk", p50InSyncs(5)},
		{"p99 under 3 x p50", p99ToP50(3)},
	}},
	{"fanout", []string{"duration"}, nil, []aim{{"at least 20 x the best peer", timesBest(20)}}},
	{"chain", []string{"duration"}, []string{"fsync"}, []aim{{"steps at least 70 % of the disk's syncs", shareOfFloor("steps", "fsync", 0.7)}}},
	{"events", []string{"duration"}, nil, []aim{{"at least 20 x the best peer", timesBest(20)}}},
}

func helloAims(floor string) []aim {
	return []aim{
		{"at least 20 x the best peer", timesBest(20)},
		{"at least 50 % of the floor", shareOfFloor("throughput", floor, 0.5)},
		{"CPU under 0.1 ms", below("cpu", 0.1)},
	}
}

func workloadNames() (names []string) {
	for _, s := range subjects {
		names = append(names, s.workload)
	}
	return names
}

// reference is a system that cannot be had as a module, with figures measured
// earlier on the same kind of machine; from and to are equal if there was one.
type reference struct {
	system, workload, metric string
	from, to                 float64
	unit                     string
}

var references = []reference{
	{"durabletask-go", "hello", "throughput", 128, 135, "orchestrations/s"},
	{"go-workflows", "hello", "throughput", 114, 168, "orchestrations/s"},
	{"go-workflows", "latency", "p50", 15, 15, "ms"},
	{"go-workflows", "latency", "p99", 25, 25, "ms"},
	{"durabletask-go", "latency", "p50", 254, 254, "ms"},
	{"durabletask-go", "latency", "p99", 489, 489, "ms"},
	{"durabletask-go", "fanout", "duration", 3.3, 3.3, "s"},
	{"go-workflows", "chain", "duration", 3.1, 3.1, "s"},
	{"durabletask-go", "chain", "duration", 58, 58, "s"},
	{"durabletask-go", "events", "duration", 0.70, 0.70, "s"},
}

// missing is the error of an aim that cannot be checked for want of a figure.
type missing struct{ system, metric string }

func (m missing) Error() string { return fmt.Sprintf("%s of %s is not measured", m.metric, m.system) }

func timesBest(want float64) func(figures) (string, bool, error) {
	return func(f figures) (string, bool, error) {
		best := f.best()
		if best == "" {
			return "", false, missing{"any peer", f.metrics[0]}
		}
		own, err := f.value("perdure", f.metrics[0])
		if err != nil {
			return "", false, err
		}
		times := timesPeer(f.metrics[0], own, f.known[key{best, f.metrics[0]}].Value)
		return fmt.Sprintf("%s x %s", short(times), best), times >= want, nil
	}
}

func shareOfFloor(metric, floor string, want float64) func(figures) (string, bool, error) {
	return func(f figures) (string, bool, error) {
		own, err := f.value("perdure", metric)
		if err != nil {
			return "", false, err
		}
		most, err := f.value("floor", floor)
		if err != nil {
			return "", false, err
		}
		return fmt.Sprintf("%.0f %%", 100*own/most), own >= want*most, nil
	}
}

func below(metric string, limit float64) func(figures) (string, bool, error) {
	return func(f figures) (string, bool, error) {
		own, err := f.value("perdure", metric)
		return short(own) + " ms", own < limit, err
	}
}

func p50InSyncs(limit float64) func(figures) (string, bool, error) {
	return func(f figures) (string, bool, error) {
		own, err := f.value("perdure", "p50")
		if err != nil {
			return "", false, err
		}
		rate, err := f.value("floor", "fsync")
		syncs := own / 1000 * rate
		return short(syncs) + " syncs", syncs < limit, err
	}
}

func p99ToP50(limit float64) func(figures) (string, bool, error) {
	return func(f figures) (string, bool, error) {
		p50, err := f.value("perdure", "p50")
		if err != nil {
			return "", false, err
		}
		p99, err := f.value("perdure", "p99")
		return short(p99/p50) + " x", p99 < limit*p50, err
	}
}
