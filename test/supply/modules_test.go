// Package supply keeps what others wrote and is linked into the programs in sight.
package supply

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/modules.txt anew")

// list is the table of modules, with versions and the direct requirement that each is
// there for.
const list = "testdata/modules.txt"

// TestModules compares the modules that are linked into the programs, on all systems that
// are built for, with the list. What is new is told with the direct requirement
// that needs it.
func TestModules(t *testing.T) {
	got := modules(t)
	if *update {
		if err := os.WriteFile(list, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("new: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("gone, or another version: %s", line)
		}
	}
	if t.Failed() {
		t.Log("if that is wanted: go test ./test/supply -update, and say in the commit why")
	}
}

// modules lists the modules of the packages that the programs and the library are made
// of: path, version, and what requires it.
func modules(t *testing.T) []string {
	linked, direct := make(map[string]string), make(map[string]bool)
	for _, system := range []string{"linux", "darwin", "windows"} {
		out := command(t, []string{"GOOS=" + system, "CGO_ENABLED=1"}, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Indirect}}{{end}}{{end}}",
			"github.com/perdure/perdure/cmd/...", "github.com/perdure/perdure/host", "github.com/perdure/perdure/client")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) == 3 {
				linked[f[0]] = f[1]
				direct[f[0]] = f[2] == "false"
			}
		}
	}
	requires := make(map[string][]string)
	for line := range strings.Lines(command(t, nil, "go", "mod", "graph")) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		from, _, _ = strings.Cut(from, "@")
		to, _, _ = strings.Cut(to, "@")
		requires[from] = append(requires[from], to)
	}
	var rows []string
	for path, version := range linked {
		if direct[path] {
			rows = append(rows, fmt.Sprintf("%s %s direct", path, version))
			continue
		}
		var by []string
		for from := range linked {
			if direct[from] && reaches(requires, from, path) {
				by = append(by, from)
			}
		}
		slices.Sort(by)
		rows = append(rows, fmt.Sprintf("%s %s for %s", path, version, strings.Join(by, ", ")))
	}
	slices.Sort(rows)
	return rows
}

// reaches reports whether module from requires to, by others perhaps.
func reaches(requires map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	for left := []string{from}; len(left) > 0; {
		next := left[0]
		left = left[1:]
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			left = append(left, requires[next]...)
		}
	}
	return false
}

func command(t *testing.T, environ []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}
