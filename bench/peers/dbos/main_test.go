package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/perdure/perdure/bench/peers/peer"
)

// TestSQLite does everything that needs no server: each workload, tiny, with
// DBOS on SQLite.
func TestSQLite(t *testing.T) {
	var stdout bytes.Buffer
	if err := program().Run(t.Context(), []string{"-store", "sqlite", "-quick", "-dir", t.TempDir()}, &stdout); err != nil {
		t.Fatal(err)
	}
	measured, facts := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(stdout.String()) {
		var r peer.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if r.System != "dbos-sqlite" {
			t.Errorf("line %q is of system %q", line, r.System)
		}
		if r.Fact != "" {
			facts[r.Fact] = r.Text
			continue
		}
		measured[r.Workload+" "+r.Metric] = true
		if r.Value < 0 || math.IsInf(r.Value, 0) || r.Value == 0 && r.Metric != "cpu" { // in ticks of 10 ms
			t.Errorf("line %q has no value", line)
		}
	}
	for _, want := range []string{"hello throughput", "hello cpu", "hello1000 throughput", "latency p50", "latency p99", "fanout duration", "chain duration", "events duration"} {
		if !measured[want] {
			t.Errorf("there is no result for %s", want)
		}
	}
	if got, want := facts["durability"], "synchronous=FULL"; !strings.Contains(got, want) {
		t.Errorf("durability is %q, want it to contain %q", got, want)
	}
}
