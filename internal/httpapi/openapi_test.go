package httpapi_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/httpapi"
)

// openAPI is what the test reads of the document.
type openAPI struct {
	OpenAPI    string
	Info       struct{ Title, Version string }
	Servers    []struct{ URL string }
	Paths      map[string]map[string]operation
	Components struct {
		Schemas         map[string]json.RawMessage
		SecuritySchemes map[string]struct{ Type, In, Name string }
	}
}

type operation struct {
	OperationID string
	Summary     string
	Parameters  []struct {
		Name, In, Description string
		Required              bool
		Schema                json.RawMessage
	}
	RequestBody *struct{ Content map[string]any }
	Responses   map[string]struct{ Description string }
}

func describe(t *testing.T) (openAPI, string) {
	t.Helper()
	s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: anything{}, TaskHub: "TestHub"})}
	text := bodyOf(s.want(200, get, base+"/openapi.json", ""))
	var doc openAPI
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc, text
}

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	doc, text := describe(t)
	if doc.OpenAPI != "3.1.0" || doc.Info.Title == "" || doc.Info.Version == "" || len(doc.Servers) != 1 || doc.Servers[0].URL != base || len(doc.Components.SecuritySchemes) != 2 {
		t.Errorf("document begins %.300s", text)
	}
	var got []string
	ids := map[string]bool{}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			got = append(got, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s %s has operation id %q and summary %q", method, path, op.OperationID, op.Summary)
			}
			ids[op.OperationID] = true
			checkOperation(t, method+" "+path, path, op)
		}
	}
	slices.Sort(got)
	want := []string{
		"DELETE /instances", "DELETE /instances/{id}", "GET /binding", "GET /counts", "GET /instances", "GET /instances/{id}", "GET /instances/{id}/explain",
		"GET /instances/{id}/export", "GET /openapi.json", "POST /import", "POST /instances/{id}/raiseEvent/{event}", "POST /instances/{id}/restart",
		"POST /instances/{id}/resume", "POST /instances/{id}/rewind", "POST /instances/{id}/suspend", "POST /instances/{id}/terminate",
		"POST /makeprimary", "POST /orchestrators/{name}", "POST /orchestrators/{name}/{id}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func checkOperation(t *testing.T, name, path string, op operation) {
	t.Helper()
	seen := map[string]bool{}
	var inPath []string
	for _, p := range op.Parameters {
		if seen[p.In+p.Name] || len(p.Schema) == 0 || p.In == "path" && !p.Required || p.In != "path" && p.Description == "" {
			t.Errorf("%s: parameter %+v is a second one, or lacks something", name, p)
		}
		seen[p.In+p.Name] = true
		if p.In == "path" {
			inPath = append(inPath, "{"+p.Name+"}")
		}
	}
	if want := regexp.MustCompile(`\{\w+\}`).FindAllString(path, -1); !slices.Equal(inPath, want) {
		t.Errorf("%s has path parameters %v, want %v", name, inPath, want)
	}
	if !seen["querytaskHub"] || op.Responses["401"].Description == "" || op.Responses["default"].Description == "" || len(op.Responses) < 3 {
		t.Errorf("%s lacks taskHub or answers: %+v", name, op.Responses)
	}
	for code, answer := range op.Responses {
		if _, err := strconv.Atoi(code); err != nil && code != "default" || answer.Description == "" {
			t.Errorf("%s: answer %s is described as %q", name, code, answer.Description)
		}
	}
}

func TestOpenAPIReferencesResolve(t *testing.T) {
	doc, text := describe(t)
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`"\$ref":"#/components/schemas/([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if used[match[1]] = true; doc.Components.Schemas[match[1]] == nil {
			t.Errorf("schema %q is referred to and missing", match[1])
		}
	}
	for name := range doc.Components.Schemas {
		if !used[name] {
			t.Errorf("schema %s is not used", name)
		}
	}
}

func TestOpenAPIIsTheSameEachTime(t *testing.T) {
	_, first := describe(t)
	for range 5 {
		if _, again := describe(t); again != first {
			t.Fatal("two documents of the same routes differ")
		}
	}
}

// TestParametersAreDocumented compares the names that handlers read with those
// of the table. One that a route lacks reads as absent, so that a parameter is on
// the right route is what the other tests show.
func TestParametersAreDocumented(t *testing.T) {
	read := map[string]bool{"tag.NAME": true, tokenHeader: true, "Idempotency-Key": true, "reason": true, "runtimeStatus": true}
	readers := []string{"last", "flag", "seconds", "instant", "from", "to"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fun, isMethod := call.Fun.(*ast.SelectorExpr)
			name, isText := call.Args[0].(*ast.BasicLit)
			if isMethod && isText && slices.Contains(readers, fun.Sel.Name) && isQuery(fun.X) {
				text, _ := strconv.Unquote(name.Value)
				read[text] = true
			}
			return true
		})
	}
	doc, _ := describe(t)
	documented := map[string]bool{"code": true}
	for _, operations := range doc.Paths {
		for _, op := range operations {
			for _, p := range op.Parameters {
				if p.In != "path" {
					documented[p.Name] = true
				}
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(read))); diff != "" {
		t.Errorf("parameters (-documented +read):\n%s", diff)
	}
}

// isQuery reports whether an expression is r.query or q.
func isQuery(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "q"
	case *ast.SelectorExpr:
		return x.Sel.Name == "query"
	}
	return false
}
