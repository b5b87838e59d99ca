package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packages are those that partial snippets use without importing them.
var packages = map[string]string{
	"perdure": "github.com/perdure/perdure", "client": "github.com/perdure/perdure/client", "host": "github.com/perdure/perdure/host",
	"context": "context", "errors": "errors", "fmt": "fmt", "os": "os", "http": "net/http", "slog": "log/slog", "strings": "strings", "time": "time",
}

// buildCode builds all Go of the documents in a module of its own, as a user
// would have it, and leaves the programs in bin.
func buildCode(t *testing.T, root, bin string, all []*block) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write("go.sum", string(sums))
	write("go.mod", "module docs\n\ngo 1.26.0\n\nrequire github.com/perdure/perdure v0.0.0\n\nreplace github.com/perdure/perdure => "+root+"\n")
	for _, b := range all {
		switch {
		case b.lang != "go" || b.isFile():
		case b.arg != "":
			write(b.arg, fmt.Sprintf("//line %s\n%s", filepath.Join(root, b.file)+":"+fmt.Sprint(b.line), b.text))
		default:
			text, err := b.wrap(root)
			if err != nil {
				t.Fatalf("%s: %v", b.place, err)
			}
			folder := strings.ToLower(strings.NewReplacer("/", "_", ".", "_").Replace(b.file))
			write(fmt.Sprintf("%s/snippet%d.go", folder, b.line), text)
		}
	}
	// Vet compiles the partial snippets, which build leaves out because of -o.
	run(t, dir, "go", "vet", "-mod=mod", "./...")
	run(t, dir, "go", "build", "-mod=mod", "-o", bin+string(filepath.Separator), "./...")
}

// run runs a command that has to succeed.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// wrap makes a file of a partial snippet. Its errors name the document's lines.
func (b *block) wrap(root string) (string, error) {
	line := fmt.Sprintf("//line %s:%d\n", filepath.Join(root, b.file), b.line)
	body := line + b.text
	file, err := parse(body)
	if err != nil {
		body = "func _(ctx *perdure.OrchestrationContext) error {\n" + line + b.text + "return nil\n}\n"
		if file, err = parse(body); err != nil {
			return "", err
		}
	}
	imports := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && packages[x.Name] != "" {
				imports[x.Name] = true
			}
		}
		return true
	})
	text := "package snippets\n\n"
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		text += fmt.Sprintf("import %q\n", packages[name])
	}
	return text + body, nil
}

func parse(body string) (*ast.File, error) {
	return parser.ParseFile(token.NewFileSet(), "", "package snippets\n"+body, 0)
}
