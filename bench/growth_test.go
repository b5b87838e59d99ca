package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestQuickGrowth runs every curve once: lines for each x, the same metrics at
// all of them, and a picture.
func TestQuickGrowth(t *testing.T) {
	var stdout, stderr bytes.Buffer
	pictures := t.TempDir()
	args := []string{"-quick", "-runs", "1", "-dir", t.TempDir(), "-growth", pictures}
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("run(%v) = %d, want 0; it says:\n%s", args, code, &stderr)
	}
	points := make(map[string][]string) // curve, x -> metrics
	for line := range strings.Lines(stdout.String()) {
		var p growPoint
		in := json.NewDecoder(strings.NewReader(line))
		in.DisallowUnknownFields()
		if err := in.Decode(&p); err != nil {
			t.Errorf("line %q: %v", line, err)
			continue
		}
		if p.Of == "" || !sensible(&result{Metric: p.Metric, Value: p.Value}) {
			t.Errorf("line %q has an empty field or a value that cannot be", line)
		}
		at := key(p.Workload, p.X)
		points[at] = append(points[at], p.Metric)
	}
	for _, c := range curves {
		xs := c.xs(small)
		for _, x := range xs {
			if got, want := points[key(c.name, x)], points[key(c.name, xs[0])]; len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%s has metrics %v at %d, and %v at %d, want the same, and some", c.name, got, x, want, xs[0])
			}
		}
		svg, err := os.ReadFile(filepath.Join(pictures, c.name+".svg"))
		if err != nil {
			t.Errorf("picture of %s: %v", c.name, err)
		}
		checkXML(t, svg)
	}
}

func key(curve string, x int) string { return curve + " at " + number(float64(x)) }
