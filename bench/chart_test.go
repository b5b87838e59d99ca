package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the example of a chart anew")

// TestChart draws what testdata/chart.svg shows: two panels, one with a
// logarithmic y axis, and an x of 0.
func TestChart(t *testing.T) {
	const file = "testdata/chart.svg"
	drawn := &chart{title: "Throughput & latency", xLabel: "size of a payload", xTick: bytesTick, panels: []panel{
		{unit: "orchestrations/s", rows: []line{{"throughput", []point{{0, 9_100}, {256, 8_700}, {4 << 10, 7_950}, {1 << 20, 48}}}}},
		{unit: "ms", log: true, rows: []line{
			{"latency p50", []point{{0, 0.41}, {256, 0.42}, {4 << 10, 0.6}, {1 << 20, 14}}},
			{"latency p99", []point{{0, 1.3}, {256, 1.2}, {4 << 10, 1.9}, {1 << 20, 61}}},
		}},
	}}
	got := drawn.svg()
	if *rewrite {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("svg() is not what %s has; look at it, then run with -rewrite:\n%s", file, got)
	}
	checkXML(t, got)
}

// checkXML checks that text is well-formed.
func checkXML(t *testing.T, text []byte) {
	t.Helper()
	for in := xml.NewDecoder(bytes.NewReader(text)); ; {
		_, err := in.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("picture is not XML: %v", err)
			return
		}
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		log       bool
		low, high float64
		from, to  float64
		count     int
	}{
		{false, 3, 7, 0, 8, 5},
		{false, 9_000, 9_100, 0, 10_000, 6},
		{false, 0.4, 1.3, 0, 1.5, 4},
		{true, 0.4, 60, 0.1, 100, 4},
		{true, 1, 1, 1, 10, 2},
		{false, 0, 0, 0, 1e-9, 6},
	} {
		p := panel{log: test.log, rows: []line{{"l", []point{{1, test.low}, {10, test.high}}}}}
		ticks := p.ticks()
		if first, last := ticks[0], ticks[len(ticks)-1]; first != test.from || last != test.to || len(ticks) != test.count {
			t.Errorf("ticks() for %v to %v, log %v = %v, want %d from %v to %v", test.low, test.high, test.log, ticks, test.count, test.from, test.to)
		}
	}
}
