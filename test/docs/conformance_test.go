package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// contracts are those of docs/conformance.md, by the heading of their sections.
var contracts = []struct {
	heading string
	numbers []string // of all assertions
	// named says that each number needs a test that bears it, and not only one
	// that exists.
	named bool
}{
	{"HTTP API", upTo(154), true},
	{"What the npm client depends on", upTo(18), false},
	{"What the Python client depends on", upTo(18), false},
	{"Go client", upTo(80), true},
	{"Command line", upTo(94), true},
	{"Configuration", upTo(26), true},
	{"Runtime", runtimeNumbers(), true},
}

// upTo returns the numbers 1 to n.
func upTo(n int) []string { return between("", 1, n) }

func between(prefix string, first, last int) (numbers []string) {
	for n := first; n <= last; n++ {
		numbers = append(numbers, fmt.Sprint(prefix, n))
	}
	return numbers
}

// runtimeNumbers are the assertions of the groups that are built: their letters
// go before their numbers, which go on from group to group.
func runtimeNumbers() []string {
	return slices.Concat(
		between("A", 1, 16), between("B", 17, 31), between("C", 32, 43), between("D", 44, 54), between("E", 55, 64),
		between("F", 65, 79), between("G", 80, 89), between("H", 90, 102), between("I", 103, 108),
		between("L", 135, 145), between("M", 146, 159), between("N", 160, 169), between("P", 183, 189),
	)
}

// TestConformance keeps docs/conformance.md honest: no assertion is missing or
// there twice, tests that it gives exist and bear the numbers they are given for,
// and the totals are those of the rows.
func TestConformance(t *testing.T) {
	root := repository(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables, known := tablesOf(string(text)), testsIn(t, root)
	for _, c := range contracts {
		if tables[c.heading] == nil {
			t.Fatalf("docs/conformance.md has no table under the heading %s", c.heading)
		}
	}
	for heading, rows := range tables {
		checkTests(t, root, heading, rows, known)
	}
	for _, row := range tables["Promises"] {
		if len(row.tests()) == 0 {
			t.Errorf("promise %q has no test", row[0])
		}
	}
	var totals []string
	for _, c := range contracts {
		tested, not := check(t, c.heading, tables[c.heading], c.numbers, c.named, known)
		totals = append(totals, fmt.Sprintf("%s | %d | %d | %d", c.heading, len(c.numbers), tested, not))
	}
	var printed []string
	for _, row := range tables["Totals"] {
		printed = append(printed, strings.Join(row, " | "))
	}
	if !slices.Equal(printed, totals) {
		t.Errorf("totals are\n%s\nwant\n%s", strings.Join(printed, "\n"), strings.Join(totals, "\n"))
	}
	for _, row := range tables["Operations"] {
		for i, cell := range row[1:] {
			if !strings.Contains(cell, "`") && !strings.HasPrefix(cell, "no: ") {
				t.Errorf("operation %s, column %d: %q names no test", row[0], i+1, cell)
			}
		}
	}
}

// checkTests makes sure that the tests exist which the rows under a heading name.
func checkTests(t *testing.T, root, heading string, rows []row, known tests) {
	t.Helper()
	for _, row := range rows {
		for _, name := range row.tests() {
			if !known.has(root, name) {
				t.Errorf("%s, %s: there is no test %s", heading, row[0], name)
			}
		}
	}
}

// check compares the rows of a contract with its numbers and counts both kinds.
func check(t *testing.T, heading string, rows []row, numbers []string, named bool, known tests) (tested, not int) {
	t.Helper()
	times := map[string]int{}
	for _, r := range rows {
		got, err := r.numbers()
		if err != nil {
			t.Errorf("%s: %v", heading, err)
		}
		for _, n := range got {
			times[n]++
		}
		if r.refused() {
			not += len(got)
			continue
		}
		tested += len(got)
		for _, n := range got {
			bears := func(name string) bool { return known.bear(name, n) }
			if len(r.tests()) == 0 || named && !slices.ContainsFunc(r.tests(), bears) {
				t.Errorf("%s %s: none of the tests %q is named after it", heading, n, r.tests())
			}
		}
	}
	for _, n := range numbers {
		if times[n] != 1 {
			t.Errorf("%s %s is there %d times, want once", heading, n, times[n])
		}
		delete(times, n)
	}
	for n := range times {
		t.Errorf("%s has no assertion %s", heading, n)
	}
	return tested, not
}

// row is a line of a table: its cells. The first has the numbers of assertions,
// the last their tests, or "not: " and why there are none.
type row []string

// tablesOf returns the rows of tables by the heading they are under.
func tablesOf(text string) map[string][]row {
	tables := map[string][]row{}
	heading, inTable := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			heading, inTable = strings.TrimPrefix(line, "## "), false
		case strings.HasPrefix(line, "|-"):
			inTable = true
		case strings.HasPrefix(line, "|") && inTable:
			var r row
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				r = append(r, strings.TrimSpace(cell))
			}
			tables[heading] = append(tables[heading], r)
		case !strings.HasPrefix(line, "|"):
			inTable = false
		}
	}
	return tables
}

// numbers returns those that the first cell gives: "3", "A5–A8", "1, 4–6".
func (r row) numbers() (numbers []string, err error) {
	for part := range strings.SplitSeq(r[0], ",") {
		first, last, ok := strings.Cut(strings.TrimSpace(part), "–")
		if !ok {
			last = first
		}
		prefix := strings.TrimRight(first, "0123456789")
		from, err1 := strconv.Atoi(strings.TrimPrefix(first, prefix))
		to, err2 := strconv.Atoi(strings.TrimPrefix(last, prefix))
		if err1 != nil || err2 != nil || to < from {
			return nil, fmt.Errorf("%q is not a list of numbers", r[0])
		}
		numbers = append(numbers, between(prefix, from, to)...)
	}
	return numbers, nil
}

func (r row) refused() bool { return strings.HasPrefix(r[len(r)-1], "not: ") }

var quoted = regexp.MustCompile("`((?:Test|Fuzz)\\w*|[\\w/.]*\\w\\.(?:txt|go|mjs|py))`")

// tests returns what cells behind the first name as tests: functions, scripts of
// the command line, and files by their paths.
func (r row) tests() (names []string) {
	for _, cell := range r[1:] {
		for _, found := range quoted.FindAllStringSubmatch(cell, -1) {
			names = append(names, found[1])
		}
	}
	return names
}

// tests are the tests of the repository with the numbers that they bear: those in
// their names, of the rows in a table of theirs, and in the comments of a script.
type tests map[string]map[string]bool

// has says whether there is a test or a file of that name.
func (all tests) has(root, name string) bool {
	if all[name] != nil {
		return true
	}
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil && strings.Contains(name, "/")
}

func (all tests) bear(name, number string) bool { return all[name][number] }

func (all tests) add(name string, numbers ...string) {
	if all[name] == nil {
		all[name] = map[string]bool{}
	}
	for _, n := range numbers {
		all[name][n] = true
	}
}

// testsIn finds all tests. Test files count as tests that bear the numbers of
// their functions.
func testsIn(t *testing.T, root string) tests {
	t.Helper()
	all := tests{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		switch {
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return all.addFile(path, file)
		case strings.HasPrefix(path, "cmd/perdure/testdata/") && strings.HasSuffix(path, ".txt"):
			return all.addScript(d.Name(), file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (all tests) addFile(path, file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	all.add(path)
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		numbers := append(numbersOfName(f.Name.Name), numbersOfRows(f)...)
		all.add(f.Name.Name, numbers...)
		all.add(path, numbers...)
	}
	return nil
}

var (
	// TestHTTP_57and106to112_Terminate, TestA16_RestartRunsTheSameAgain
	numberedName = regexp.MustCompile(`^Test(?:HTTP_|CLI_|Config_|([A-Z]))(\d+(?:(?:and|to)\d+)*)_`)
	// # 16, 21, 29: one thing; 26: another
	numberedPart = regexp.MustCompile(`^\s*(\d+(?:(?:, | to | and )\d+)*)(?:[:, ]|$)`)
	ofScript     = strings.NewReplacer(", ", "and", " and ", "and", " to ", "to")
)

func numbersOfName(name string) []string {
	if m := numberedName.FindStringSubmatch(name); m != nil {
		return expand(m[1], m[2])
	}
	return nil
}

// expand returns the numbers of a list like 57and106to112.
func expand(prefix, list string) (numbers []string) {
	for part := range strings.SplitSeq(list, "and") {
		first, last, ok := strings.Cut(part, "to")
		if !ok {
			last = first
		}
		from, _ := strconv.Atoi(first) // digits, as the patterns say
		to, _ := strconv.Atoi(last)
		numbers = append(numbers, between(prefix, from, to)...)
	}
	return numbers
}

// numbersOfRows returns the numbers of rows in the function, as the client's tests have
// them: {number: 27, says: "An event ...", ...}.
func numbersOfRows(f *ast.FuncDecl) []string {
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		name, ok := field.Key.(*ast.Ident)
		number, ok2 := field.Value.(*ast.BasicLit)
		if ok && ok2 && name.Name == "number" && number.Kind == token.INT {
			found[number.Value] = true
		}
		return true
	})
	return slices.Collect(maps.Keys(found))
}

func (all tests) addScript(name, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	all.add(name)
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(comment, ";") {
			if m := numberedPart.FindStringSubmatch(part); m != nil {
				all.add(name, expand("", ofScript.Replace(m[1]))...)
			}
		}
	}
	return nil
}
