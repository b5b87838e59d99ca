package decide

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFilesAreInOrder: doc.go lists the files of the package, and each uses only names
// that are declared in itself or in those above it.
func TestFilesAreInOrder(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+\.go) `).FindAllStringSubmatch(string(text), -1) {
		order = append(order, m[1])
	}
	fset := token.NewFileSet()
	var files []*ast.File
	names, _ := filepath.Glob("*.go")
	for _, name := range names {
		if name == "doc.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if !slices.Contains(order, name) {
			t.Errorf("doc.go does not list %s", name)
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(order) != len(files) {
		t.Errorf("doc.go lists %d files, there are %d", len(order), len(files))
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("github.com/perdure/perdure/internal/decide", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	place := func(pos token.Pos) int { return slices.Index(order, fset.Position(pos).Filename) }
	uses := 0
	for ident, obj := range info.Uses {
		if obj.Pkg() != pkg {
			continue
		}
		if uses++; place(ident.Pos()) < place(obj.Pos()) {
			t.Errorf("%s: %s is declared below, in %s", fset.Position(ident.Pos()), ident.Name, fset.Position(obj.Pos()).Filename)
		}
	}
	if uses < 100 {
		t.Errorf("only %d uses of names of the package were found", uses)
	}
}
