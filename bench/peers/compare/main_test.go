package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/bench/peers/peer"
)

// TestTable writes the table from saved output.
func TestTable(t *testing.T) {
	saved := filepath.Join(t.TempDir(), "saved")
	if err := os.WriteFile(saved, []byte(`{"system":"dbos-sqlite","fact":"version","text":"DBOS 1"}
{"system":"dbos-sqlite","fact":"durability","text":"synchronous=FULL"}
{"system":"perdure","workload":"hello","metric":"throughput","value":4000,"unit":"orchestrations/s"}
{"system":"perdure","workload":"hello","metric":"throughput","value":8000,"unit":"orchestrations/s"}
{"system":"perdure","workload":"hello","metric":"cpu","value":0.2,"unit":"ms/orchestration"}
{"system":"floor","workload":"hello","metric":"throughput_stepwise","value":16000,"unit":"orchestrations/s"}
{"system":"dbos-sqlite","workload":"hello","metric":"throughput","value":200,"unit":"orchestrations/s"}
{"system":"dbos-postgres","workload":"hello","metric":"throughput","value":500,"unit":"orchestrations/s"}
{"system":"dbos-postgres","workload":"hello","metric":"cpu","value":2,"unit":"ms/orchestration"}
{"system":"perdure","workload":"fanout","metric":"duration","value":0.5,"unit":"s"}
{"system":"dbos-sqlite","workload":"fanout","metric":"duration","value":10,"unit":"s"}
{"system":"dbos-postgres","workload":"fanout","metric":"duration","value":11,"unit":"s"}

| this | table | is skipped |
`), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `
- dbos-sqlite: DBOS 1; durability: synchronous=FULL

| workload | system | median | Perdure is | aim of Perdure |
|---|---|---|---|---|
| hello | perdure | throughput 8000 /s, cpu 0.2 ms |  | at least 20 x the best peer: 16.0 x dbos-postgres, **not met**; at least 50 % of the floor: 50 %, met; CPU under 0.1 ms: 0.2 ms, **not met** |
| hello | floor | throughput_stepwise 16000 /s | 50 % |  |
| hello | dbos-postgres | throughput 500 /s, cpu 2.00 ms | 16.0 x, 10.0 x |  |
| hello | dbos-sqlite | throughput 200 /s | 40.0 x |  |
| hello | durabletask-go (reference, measured earlier on the same kind of machine) | throughput 128 to 135 /s | 59.3 to 62.5 x |  |
| hello | go-workflows (reference, measured earlier on the same kind of machine) | throughput 114 to 168 /s | 47.6 to 70.2 x |  |
| fanout | perdure | duration 0.5 s |  | at least 20 x the best peer: 20.0 x dbos-sqlite, met |
| fanout | dbos-sqlite | duration 10.0 s | 20.0 x |  |
| fanout | dbos-postgres | duration 11.0 s | 22.0 x |  |
| fanout | durabletask-go (reference, measured earlier on the same kind of machine) | duration 3.30 s | 6.60 x |  |
`
	var stdout, stderr strings.Builder
	if err := run(t.Context(), []string{"-json", saved}, &stdout, &stderr); err != nil || stdout.String() != want {
		t.Errorf("run(-json) = %v and writes\n%s\nwant\n%s", err, stdout.String(), want)
	}
}

// TestAims has the aims that name no peer, met and not met, and one for which a
// figure is missing.
func TestAims(t *testing.T) {
	for _, test := range []struct {
		workload string
		values   map[key]float64
		want     string
	}{
		{"latency", map[key]float64{{"perdure", "p50"}: 0.4, {"perdure", "p99"}: 1.5, {"floor", "fsync"}: 10_000},
			"p50 under 5 syncs of the disk: 4.00 syncs, met; p99 under 3 x p50: 3.75 x, **not met**"},
		{"latency", map[key]float64{{"perdure", "p50"}: 0.4, {"perdure", "p99"}: 1.1},
			"p50 under 5 syncs of the disk: fsync of floor is not measured; p99 under 3 x p50: 2.75 x, met"},
		{"chain", map[key]float64{{"perdure", "duration"}: 0.2, {"perdure", "steps"}: 5_000, {"floor", "fsync"}: 10_000},
			"steps at least 70 % of the disk's syncs: 50 %, **not met**"},
		{"events", map[key]float64{{"perdure", "duration"}: 0.2},
			"at least 20 x the best peer: duration of any peer is not measured"},
	} {
		var results []peer.Result
		for k, v := range test.values {
			results = append(results, peer.Result{System: k.system, Workload: test.workload, Metric: k.metric, Value: v})
		}
		for _, s := range subjects {
			if s.workload != test.workload {
				continue
			}
			if got := strings.Join(newFigures(s, results).verdicts(), "; "); got != test.want {
				t.Errorf("verdicts of %s, %v:\n%s\nwant\n%s", test.workload, test.values, got, test.want)
			}
		}
	}
}

func TestMedians(t *testing.T) {
	measured := []peer.Result{
		{System: "a", Fact: "version", Text: "1"},
		{System: "a", Workload: "hello", Metric: "cpu", Value: 3},
		{System: "a", Fact: "version", Text: "1"},
		{System: "a", Workload: "hello", Metric: "cpu", Value: 9},
		{System: "a", Workload: "hello", Metric: "cpu", Value: 4},
		{System: "b", Workload: "hello", Metric: "cpu", Value: 7},
	}
	got := medians(measured)
	if len(got) != 3 || got[0].Text != "1" || got[1].Value != 4 || len(got[1].Runs) != 3 || got[2].Value != 7 {
		t.Errorf("medians(%v) = %v, want one fact, 4 of three runs, 7 of one", measured, got)
	}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct{ workloads, systems, says string }{
		{"helo", "perdure", `workload "helo" is unknown; known are hello, hello1000,`},
		{"hello", "dbos", `system "dbos" is unknown; known are perdure, floor, dbos-postgres,`},
	} {
		if _, err := newPlan(test.workloads, test.systems, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("newPlan(%q, %q, 1) = %v, want %q", test.workloads, test.systems, err, test.says)
		}
	}
	if _, err := newPlan("hello", "perdure", 0); err == nil {
		t.Error("newPlan with 0 runs has no error")
	}
}
