package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoDocCitesNothingThatUsersLack: the contracts are for those who work on the
// repository, so what go doc shows does not send anybody there.
func TestGoDocCitesNothingThatUsersLack(t *testing.T) {
	for _, room := range []string{".", "client", "host"} {
		fset := token.NewFileSet()
		paths, err := filepath.Glob(filepath.Join(repository(t), room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, path := range paths {
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(path, "_test.go") {
				files = append(files, file)
			}
		}
		p, err := doc.NewFromFiles(fset, files, "github.com/perdure/perdure/"+room)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files { // only what is exported is left in them
			ast.Inspect(file, func(n ast.Node) bool {
				if group, ok := n.(*ast.CommentGroup); ok && strings.Contains(group.Text(), "docs/contracts/") {
					t.Errorf("%s: go doc cites %q", fset.Position(group.Pos()), strings.TrimSpace(group.Text()))
				}
				return true
			})
		}
		check := func(name, text string) {
			if strings.Contains(text, "docs/contracts/") {
				t.Errorf("go doc of %s %s cites a contract", room, name)
			}
		}
		check("", p.Doc)
		for _, f := range p.Funcs {
			check(f.Name, f.Doc)
		}
		for _, typ := range p.Types {
			check(typ.Name, typ.Doc)
			for _, f := range append(typ.Funcs, typ.Methods...) {
				check(typ.Name+"."+f.Name, f.Doc)
			}
		}
	}
}
