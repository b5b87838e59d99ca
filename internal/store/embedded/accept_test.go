package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func accept(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "accept-loss"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An operator who accepts a loss gets what is left, once.
func TestAcceptLoss(t *testing.T) {
	t.Parallel()
	dir, want := filled(t)
	if err := errors.Join(os.Remove(filepath.Join(dir, "witness")), os.Remove(filepath.Join(dir, "FORMAT"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "put an empty file accept-loss into it") {
		t.Fatalf("Open = error %v, want one that names accept-loss", err)
	}
	accept(t, dir)
	for range 2 {
		if got, err := reopened(t, dir); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "accept-loss")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("accept-loss is still there: %v", err)
	}
}

// What is left is what there was at some moment, whole.
func TestAcceptLossOfALog(t *testing.T) {
	t.Parallel()
	dir, all := filled(t)
	logs, err := filepath.Glob(filepath.Join(dir, "data", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	newest := logs[len(logs)-1]
	content, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	content[len(strings.TrimRight(string(content), "\x00"))/2] ^= 1
	if err := os.WriteFile(newest, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "put an empty file accept-loss into it") {
		t.Fatalf("Open = error %v, want one that names accept-loss", err)
	}
	accept(t, dir)
	for range 2 {
		got, err := reopened(t, dir)
		instances := 0
		for i := range 12 {
			if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, fmt.Sprintf("i%dN", i)) }) {
				break
			}
			instances++
		}
		if err != nil || instances < 8 || instances >= 12 || !strings.Contains(got[len(got)-1], fmt.Sprintf("Running:%d", instances)) {
			t.Errorf("%d instances are left, error %v; want the first of 12, at least 8 of them, and as many counted:\n%v\nof\n%v", instances, err, got, all)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	dir, _ := filled(t)
	tables, err := filepath.Glob(filepath.Join(dir, "data", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	if err := os.Remove(tables[0]); err != nil {
		t.Fatal(err)
	}
	accept(t, dir)
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be opened even so") || !strings.Contains(err.Error(), filepath.Base(tables[0])[:6]) {
		t.Errorf("Open = error %v, want one that names the table", err)
	}
}
