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
