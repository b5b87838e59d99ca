package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/perdure/perdure/bench/peers/peer"
)

// figures are the results of one workload.
type figures struct {
	subject
	known map[key]peer.Result
}

type key struct{ system, metric string }

func newFigures(s subject, results []peer.Result) figures {
	f := figures{s, map[key]peer.Result{}}
	for _, r := range results {
		if r.Fact == "" && r.Workload == s.workload {
			f.known[key{r.System, r.Metric}] = r
		}
	}
	return f
}

// value returns a figure, or an error of type missing.
func (f figures) value(system, metric string) (float64, error) {
	r, ok := f.known[key{system, metric}]
	if !ok {
		return 0, missing{system, metric}
	}
	return r.Value, nil
}

// peers returns those measured, the best one first.
func (f figures) peers() []string {
	var names []string
	for k := range f.known {
		if k.system != "perdure" && k.system != "floor" && k.metric == f.metrics[0] {
			names = append(names, k.system)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if timesPeer(f.metrics[0], f.known[key{a, f.metrics[0]}].Value, f.known[key{b, f.metrics[0]}].Value) > 1 {
			return -1
		}
		return 1
	})
	return names
}

// best returns the best peer, the empty string if none was measured.
func (f figures) best() string {
	if names := f.peers(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// timesPeer returns how many times as good own is as other: throughput should be
// high, everything else is a time and should be low.
func timesPeer(metric string, own, other float64) float64 {
	if metric == "throughput" {
		return own / other
	}
	return other / own
}

// render writes the facts about the systems as a list and the results as a table.
func render(w io.Writer, results []peer.Result) error {
	var out strings.Builder
	writeFacts(&out, results)
	out.WriteString("\n| workload | system | median | Perdure is | aim of Perdure |\n|---|---|---|---|---|\n")
	for _, s := range subjects {
		f := newFigures(s, results)
		if len(f.known) == 0 {
			continue
		}
		f.row(&out, "perdure", f.metrics, strings.Join(f.verdicts(), "; "))
		f.row(&out, "floor", f.floor, "")
		for _, name := range f.peers() {
			f.row(&out, name, f.metrics, "")
		}
		f.references(&out)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func writeFacts(out *strings.Builder, results []peer.Result) {
	texts := map[key]string{}
	var order []string
	for _, r := range results {
		if r.Fact == "" {
			continue
		}
		texts[key{r.System, r.Fact}] = r.Text
		if !slices.Contains(order, r.System) {
			order = append(order, r.System)
		}
	}
	out.WriteString("\n")
	for _, system := range order {
		fmt.Fprintf(out, "- %s: %s; durability: %s", system, texts[key{system, "version"}], texts[key{system, "durability"}])
		if tuning := texts[key{system, "tuning"}]; tuning != "" {
			fmt.Fprintf(out, "; tuning: %s", tuning)
		}
		out.WriteString("\n")
	}
}

// row writes what is known of a system, if anything is.
func (f figures) row(out *strings.Builder, system string, metrics []string, aims string) {
	var cells, ratios []string
	for _, metric := range metrics {
		r, ok := f.known[key{system, metric}]
		if !ok {
			continue
		}
		cells = append(cells, metric+" "+quantity(r.Value, r.Unit))
		if own, err := f.value("perdure", metric); err == nil && system != "perdure" {
			ratios = append(ratios, short(timesPeer(metric, own, r.Value))+" x")
		}
	}
	if system == "floor" {
		ratios = f.shares()
	}
	if len(cells) > 0 {
		f.write(out, system, cells, ratios, aims)
	}
}

func (f figures) write(out *strings.Builder, system string, cells, ratios []string, aims string) {
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", f.workload, system, strings.Join(cells, ", "), strings.Join(ratios, ", "), aims)
}

// shares returns what part of the floor Perdure reaches, where both are rates.
func (f figures) shares() (texts []string) {
	for _, metric := range f.floor {
		own := "throughput"
		if metric == "fsync" {
			own = "steps"
		}
		text, _, err := shareOfFloor(own, metric, 0)(f)
		if err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

// verdicts returns for each aim what was reached and whether that is enough.
func (f figures) verdicts() (texts []string) {
	for _, a := range f.aims {
		got, met, err := a.check(f)
		switch {
		case err != nil:
			texts = append(texts, fmt.Sprintf("%s: %v", a.text, err))
		case met:
			texts = append(texts, fmt.Sprintf("%s: %s, met", a.text, got))
		default:
			texts = append(texts, fmt.Sprintf("%s: %s, **not met**", a.text, got))
		}
	}
	return texts
}

// references writes the rows of the systems that were measured earlier.
func (f figures) references(out *strings.Builder) {
	var order []string
	cells, ratios := map[string][]string{}, map[string][]string{}
	for _, r := range references {
		if r.workload != f.workload {
			continue
		}
		if !slices.Contains(order, r.system) {
			order = append(order, r.system)
		}
		cells[r.system] = append(cells[r.system], r.metric+" "+between(r.from, r.to)+" "+shortUnit(r.unit))
		if own, err := f.value("perdure", r.metric); err == nil {
			times := between(timesPeer(r.metric, own, r.to), timesPeer(r.metric, own, r.from))
			ratios[r.system] = append(ratios[r.system], times+" x")
		}
	}
	for _, system := range order {
		f.write(out, system+" (reference, measured earlier on the same kind of machine)", cells[system], ratios[system], "")
	}
}

func between(from, to float64) string {
	if from == to {
		return short(from)
	}
	return short(from) + " to " + short(to)
}

// quantity is a value with its unit in short.
func quantity(value float64, unit string) string { return short(value) + " " + shortUnit(unit) }

// shortUnit leaves out what the metric says anyway.
func shortUnit(unit string) string {
	return strings.NewReplacer("orchestrations/s", "/s", "fsyncs/s", "/s", "ms/orchestration", "ms").Replace(unit)
}

// short is a number with at least two digits, and none behind the point that
// would say more than the measurement does.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}
