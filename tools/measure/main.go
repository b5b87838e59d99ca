// Measure counts what shows the shape of a tree of Go code, by go/ast: lines of
// functions, comment lines, methods of interfaces, exported names. Tests, and
// what is in folders named bench, test, tools, examples and testdata, do not
// count.
//
//	go run -C tools ./measure ..
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	m, err := measure(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m.print()
}

// measures are what was counted.
type measures struct {
	files      int
	lines      int // of all files
	functions  []function
	interfaces []counted        // by the methods that each declares itself
	rooms      map[string]*room // by folder
}

// function is a function and how many lines it has from func to }.
type function struct {
	name  string
	lines int
}

type counted struct {
	name string
	n    int
}

// room is a folder.
type room struct {
	exported int // top-level names
	comments int // lines with nothing but a comment
	code     int // other lines that are not blank
}

// public reports whether users may import what is in a folder.
func public(folder string) bool {
	for _, part := range strings.Split(folder, "/") {
		if part == "internal" || part == "cmd" {
			return false
		}
	}
	return true
}

func measure(root string) (*measures, error) {
	m := &measures{rooms: make(map[string]*room)}
	skipped := []string{"bench", "test", "tools", "examples", "testdata", "node_modules"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (slices.Contains(skipped, d.Name()) || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		return m.file(path, filepath.ToSlash(folder))
	})
	return m, err
}

func (m *measures) file(path, folder string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		return err
	}
	r := m.rooms[folder]
	if r == nil {
		r = new(room)
		m.rooms[folder] = r
	}
	m.files++
	m.countLines(r, string(text))
	line := func(pos token.Pos) int { return fset.Position(pos).Line }
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			m.functions = append(m.functions, function{folder + "." + decl.Name.Name, line(decl.End()) - line(decl.Pos()) + 1})
			if decl.Recv == nil && decl.Name.IsExported() {
				r.exported++
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				m.spec(r, folder, spec)
			}
		}
	}
	return nil
}

func (m *measures) spec(r *room, folder string, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				r.exported++
			}
		}
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			r.exported++
		}
		if t, ok := spec.Type.(*ast.InterfaceType); ok {
			own := 0
			for _, method := range t.Methods.List {
				own += len(method.Names) // none: it is embedded
			}
			m.interfaces = append(m.interfaces, counted{folder + "." + spec.Name.Name, own})
		}
	}
}

func (m *measures) countLines(r *room, text string) {
	block := false
	for line := range strings.Lines(text) {
		m.lines++
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case block:
			r.comments++
			block = !strings.Contains(line, "*/")
		case strings.HasPrefix(line, "//"):
			r.comments++
		case strings.HasPrefix(line, "/*"):
			r.comments++
			block = !strings.Contains(line, "*/")
		default:
			r.code++
		}
	}
}

func (m *measures) print() {
	slices.SortFunc(m.functions, func(a, b function) int { return a.lines - b.lines })
	slices.SortFunc(m.interfaces, func(a, b counted) int { return a.n - b.n })
	at := func(share float64) int { return m.functions[int(share*float64(len(m.functions)-1))].lines }
	longest := m.functions[len(m.functions)-1]
	widest := m.interfaces[len(m.interfaces)-1]
	fmt.Printf("%d lines in %d files\n", m.lines, m.files)
	fmt.Printf("functions: %d; lines: median %d, p90 %d, p99 %d, most %d (%s)\n", len(m.functions), at(0.5), at(0.9), at(0.99), longest.lines, longest.name)
	fmt.Printf("interfaces: %d; the widest declares %d methods (%s)\n", len(m.interfaces), widest.n, widest.name)
	var all room
	exported := 0
	fmt.Println("room: exported names, comment lines of those that are not blank")
	for _, folder := range slices.Sorted(maps.Keys(m.rooms)) {
		r := m.rooms[folder]
		all.comments, all.code = all.comments+r.comments, all.code+r.code
		if public(folder) {
			exported += r.exported
		}
		fmt.Printf("  %-28s %4d  %4.1f %%\n", folder, r.exported, r.share())
	}
	fmt.Printf("in all: %d exported names that users may import, %.1f %% comment lines\n", exported, all.share())
}

// share is how much of what is not blank are comments, in percent.
func (r *room) share() float64 { return 100 * float64(r.comments) / float64(max(1, r.comments+r.code)) }
