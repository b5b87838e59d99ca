package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestQuick runs every workload once: each must lead to results that a machine
// can read, and to nothing else on standard output.
func TestQuick(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-quick", "-runs", "1", "-dir", t.TempDir()}
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("run(%v) = %d, want 0; it says:\n%s", args, code, &stderr)
	}
	var seen []string
	for line := range strings.Lines(stdout.String()) {
		var r result
		in := json.NewDecoder(strings.NewReader(line))
		in.DisallowUnknownFields()
		if err := in.Decode(&r); err != nil {
			t.Errorf("line %q: %v", line, err)
			continue
		}
		if r.System == "" || r.Metric == "" || r.Unit == "" || !sensible(&r) {
			t.Errorf("line %q has an empty field or a value that cannot be", line)
		}
		if !slices.Contains(seen, r.Workload) {
			seen = append(seen, r.Workload)
		}
	}
	if want := namesOf(workloads, workloadName); !slices.Equal(seen, want) {
		t.Errorf("run(%v) has results of %v, want %v", args, seen, want)
	}
}

// sensible reports whether a value is one that can be. Few may be 0: an idle
// process may use no CPU, what fits into memory need not be in a table, and a
// short storm is over before anything is refused.
func sensible(r *result) bool {
	mayBeZero := r.Metric == "idle_cpu" || r.Metric == "disk_by_itself" || r.Metric == "refused"
	return (r.Value > 0 || mayBeZero && r.Value == 0) && !math.IsInf(r.Value, 0)
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"-h"}, 0, "-workload list"},
		{[]string{"-workload", "helo"}, 2, `workload "helo" is unknown; known are hello,`},
		{[]string{"-runs", "0"}, 2, "-runs is 0, must be at least 1"},
		{[]string{"-fast"}, 2, "-fast"},
	} {
		var stderr bytes.Buffer
		if got := run(context.Background(), test.args, io.Discard, &stderr); got != test.want || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("run(%v) = %d and says %q, want %d and %q", test.args, got, &stderr, test.want, test.says)
		}
	}
}

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{7}, 0.5, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{5, 4, 3, 2, 1}, 1, 5},
		{[]float64{5, 4, 3, 2, 1}, 0, 1},
	} {
		if got := quantile(slices.Clone(test.values), test.q); got != test.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", test.values, test.q, got, test.want)
		}
	}
}
