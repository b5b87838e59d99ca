package corrupt

import (
	"bytes"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

var (
	full = flag.Bool("full", false, "try all cells of the matrix, and print it")
	only = flag.String("only", "", "try the cells whose name holds this")
)

// matrix counts outcomes by kind of file and kind of damage.
type matrix map[string]map[string]map[outcome]int

func (m matrix) add(d damage, o outcome) {
	file := kindOf(d.file)
	if m[file] == nil {
		m[file] = map[string]map[outcome]int{}
	}
	if m[file][d.kind] == nil {
		m[file][d.kind] = map[outcome]int{}
	}
	m[file][d.kind][o]++
}

func (m matrix) String() string {
	kinds := []string{"flip", "cut", "zeros", "append", "remove", "empty", "folder", "file", "older", "other's"}
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "|\t %s\t|\n", strings.Join(append([]string{"file"}, kinds...), "\t| "))
	fmt.Fprintf(table, "|\t%s\n", strings.Repeat("---\t|", len(kinds)+1))
	for _, file := range sortedKeys(m) {
		fmt.Fprintf(table, "|\t %s", file)
		for _, kind := range kinds {
			var cell []string
			for _, o := range []outcome{same, refused, failed, remade, told, wrong} {
				if n := m[file][kind][o]; n > 0 {
					cell = append(cell, fmt.Sprintf("%s %d", o, n))
				}
			}
			fmt.Fprintf(table, "\t| %s", strings.Join(cell, ", "))
		}
		fmt.Fprint(table, "\t|\n")
	}
	table.Flush()
	return text.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// sample takes some of the damages: of each kind to each kind of file the last and the one
// in the middle.
func sample(all []damage) (some []damage) {
	groups := map[string][]damage{}
	for _, d := range all {
		key := kindOf(d.file) + " " + d.kind
		groups[key] = append(groups[key], d)
	}
	for _, key := range sortedKeys(groups) {
		group := groups[key]
		for at := range slices.Values(slices.Compact([]int{len(group) / 2, len(group) - 1})) {
			some = append(some, group[at])
		}
	}
	return some
}

// TestMatrix damages everything in the folders of a store. A cell is repeated by
//
//	go test ./test/corrupt -run TestMatrix -full -only 'clean: flip data/000012.sst at 4096'
func TestMatrix(t *testing.T) {
	f, other := build(t, "a"), build(t, "b")
	origin, err := takeState(f.clean)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []struct{ name, dir, other string }{{"clean", f.clean, other.clean}, {"unclean", f.unclean, other.unclean}, {"logs", f.logs, other.logs}} {
		t.Run(store.name, func(t *testing.T) {
			s := newSubject(t, store.dir)
			known := func(file string) bool {
				same, err := equal(filepath.Join(store.dir, file), filepath.Join(f.clean, file))
				return store.dir != f.clean && isTable(file) && same && err == nil // it has been tried
			}
			all, err := damages(store.dir, f.early, store.other, known)
			if err != nil {
				t.Fatal(err)
			}
			if !*full {
				all = sample(all)
			}
			m, scratch := matrix{}, t.TempDir()
			for n, d := range all {
				name := store.name + ": " + d.String()
				if !strings.Contains(name, *only) {
					continue
				}
				o, why := s.try(t.Context(), filepath.Join(scratch, fmt.Sprint(n)), d)
				m.add(d, o)
				if o == wrong {
					t.Errorf("%s: %s", name, why)
				} else if *only != "" {
					t.Logf("%s: %s %s", name, o, why)
				}
			}
			if *full {
				fmt.Printf("\n%s\n\n%s", store.name, m)
			}
		})
	}
	if now, err := takeState(f.clean); err != nil || origin.differs(now) != "" {
		t.Errorf("the undamaged folder has changed: %v, %s", err, origin.differs(now))
	}
}

// newSubject asks the store in dir everything, in a copy.
func newSubject(t *testing.T, dir string) *subject {
	t.Helper()
	open := func() string {
		to := filepath.Join(t.TempDir(), "copy")
		copyFolder(t, dir, to)
		return to
	}
	s := &subject{dir: dir, survey: takeSurvey(t, open())}
	var err error
	if s.want, err = s.open(t.Context(), open()); err != nil {
		t.Fatalf("the undamaged store: %v", err)
	}
	for question, a := range s.want {
		if a.err != nil {
			t.Errorf("the undamaged store: %s: %v", question, a.err)
		}
	}
	return s
}
