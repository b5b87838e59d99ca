package docs

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewriteSurface = flag.Bool("rewrite-surface", false, "write testdata/surface.txt anew")

// What users can name is in testdata/surface.txt: it does not change by accident. Run the
// test with -rewrite-surface to change it on purpose.
func TestSurface(t *testing.T) {
	var got strings.Builder
	for _, room := range []string{".", "client", "host"} {
		got.WriteString("package " + room + "\n")
		for _, line := range surface(t, filepath.Join("..", "..", room)) {
			got.WriteString("  " + line + "\n")
		}
	}
	golden := filepath.Join("testdata", "surface.txt")
	if *rewriteSurface {
		if err := os.WriteFile(golden, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the exported surface has changed (-golden +now):\n%s", diff)
	}
}

// Users can name no type of an internal package but by an alias, which is documented where
// they see it. What they cannot name at all is here with its reason.
func TestInternalTypesHaveNamesForUsers(t *testing.T) {
	unnamed := map[string]string{
		"client: func Local(h hub.Hub) *Client": "for host and tests of this module: nobody else can have a hub.Hub",
	}
	rooms, err := os.ReadDir(filepath.Join("..", "..", "internal"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, room := range rooms {
		names = append(names, room.Name())
	}
	inner := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\.[A-Z]`)
	alias := regexp.MustCompile(`^type [A-Z]\w* = \w+\.[A-Z]\w*$`)
	found := make(map[string]bool)
	for _, room := range []string{".", "client", "host"} {
		for _, line := range surface(t, filepath.Join("..", "..", room)) {
			if !inner.MatchString(line) || alias.MatchString(line) {
				continue
			}
			if line = room + ": " + line; unnamed[line] == "" {
				t.Errorf("%s: a type of an internal package: give it a name here", line)
			}
			found[line] = true
		}
	}
	for line := range unnamed {
		if !found[line] {
			t.Errorf("%s: there is no such line any more", line)
		}
	}
}

// exported reports whether users can name the receiver of a method.
func exported(receiver ast.Expr) bool {
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			return true
		}
	}
}

// surface lists what a package exports, a line each: functions and methods with
// their signatures, fields of structs with their types.
func surface(t *testing.T, dir string) []string {
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := func(node any) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	var lines []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); strings.HasSuffix(name, "_windows.go") {
			continue // the same names as for other systems
		}
		ast.FileExports(file)
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv != nil && !exported(decl.Recv.List[0].Type) {
					continue
				}
				decl.Body = nil
				lines = append(lines, text(decl))
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						lines = append(lines, "type "+text(spec))
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							lines = append(lines, decl.Tok.String()+" "+name.Name)
						}
					}
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
