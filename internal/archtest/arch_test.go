// Package archtest keeps the house's floor plan: which room may import which.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/perdure/perdure"

// rooms says what each room may import of this module besides itself and its own
// sub-packages; "." is the root. A row that ends in /... stands for all
// packages under it. Arrows point down only.
//
//	cmd -> host -> internal/hubs        wiring
//	httpapi  client                     the edges: they know hub and wire, never the engine
//	internal/worker   store/...
//	root, replay |    | engine          two towers that do not import each other
//	                  | decide
//	        hub  wire  store            contracts
//	        history                     one floor
var rooms = map[string][]string{
	"internal/history":        {},
	"internal/history/...":    {"internal/history"},
	"internal/store":          {"internal/history"},                                   // the storage contract
	"internal/hub":            {"internal/history"},                                   // what one can ask of a hub
	"internal/decide":         {"internal/history", "internal/hub", "internal/store"}, // the pure core
	"internal/engine":         {"internal/decide", "internal/history", "internal/hub", "internal/ledger", "internal/stacktrace", "internal/store"},
	"internal/store/memory":   {"internal/history", "internal/store"},
	"internal/store/embedded": {"internal/history", "internal/backup", "internal/ledger", "internal/private", "internal/store"},
	"internal/storetest":      {"internal/history", "internal/store", "internal/store/memory"},
	"internal/registry":       {"internal/history", "internal/replay"},
	"internal/replay":         {"internal/history", "internal/stacktrace"},
	".":                       {"internal/history", "internal/registry", "internal/replay"},
	"internal/worker":         {".", "internal/engine", "internal/history", "internal/registry", "internal/replay", "internal/stacktrace"},
	"internal/config":         {"internal/wire"},
	"client":                  {".", "internal/advice", "internal/history", "internal/hub", "internal/links", "internal/private", "internal/wire"},
	"internal/httpapi":        {"internal/advice", "internal/history", "internal/hub", "internal/links", "internal/nearest", "internal/wire"},
	"internal/hubs":           {".", "client", "internal/audit", "internal/backup", "internal/config", "internal/engine", "internal/history", "internal/httpapi", "internal/hub", "internal/private", "internal/store", "internal/store/embedded", "internal/wire", "internal/worker"},
	"host":                    {".", "client", "internal/config", "internal/engine", "internal/history", "internal/httpapi", "internal/hub", "internal/hubs", "internal/private", "internal/registry", "internal/store", "internal/wire"},
	"cmd/perdure":             {"client", "internal/config", "internal/history", "host", "internal/audit", "internal/backup", "internal/hubs", "internal/nearest", "internal/wire"},
	"examples/...":            {".", "client", "host"},
	"internal/advice":         {"internal/history", "internal/hub"}, // how people are told to do something
	"internal/links":          {},
	"internal/wire":           {"internal/history", "internal/hub"}, // how the API and its client know each other
	"internal/ledger":         {},                                   // how sets that come in different orders are compared
	"internal/nearest":        {},                                   // how a slip is told from another name
	"internal/stacktrace":     {},                                   // how the runtime writes a trace
	"internal/audit":          {"internal/private"},                 // how a record is kept of which nothing can be taken away unseen
	"internal/private":        {},                                   // whose a file, a folder or a socket is
	"internal/backup":         {},                                   // how copies lie in a folder, so that half a backup never counts
	"internal/archtest":       {},
	"internal/testcert":       {},
}

// tests says what the tests of a room may import besides.
var tests = map[string][]string{
	"internal/history":        {},
	"internal/engine":         {".", "client", "internal/advice", "internal/worker", "internal/store/memory", "internal/store/embedded", "internal/storetest"},
	"internal/store/memory":   {"internal/storetest"},
	"internal/store/embedded": {"internal/engine", "internal/hub", "internal/store/memory", "internal/storetest"},
	".":                       {"internal/engine", "internal/hub", "internal/registry", "internal/worker", "internal/store/memory", "internal/store/embedded"},
	"internal/worker":         {"internal/store/memory", "internal/store/embedded"},
	"client":                  {".", "internal/engine", "internal/httpapi", "internal/store", "internal/worker", "internal/store/memory", "internal/storetest"},
	"internal/httpapi":        {".", "internal/engine", "internal/worker", "internal/store/memory", "client"},
	"cmd/perdure":             {".", "internal/testcert"},
	"internal/hubs":           {},
	"host":                    {"internal/audit", "internal/testcert", "internal/store/embedded", "internal/worker"},
	"examples/...":            {"internal/engine", "internal/worker", "internal/store/memory"},
}

// apart are rooms that stand apart: they may import whatever is public, and
// nothing imports them.
var apart = []string{"test", "tools", "bench"}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || slices.Contains(apart, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		room := path.Dir(filepath.ToSlash(name))
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := refuse(room, strings.HasSuffix(name, "_test.go"), imported); why != "" {
				t.Errorf("%s:%d: %s", filepath.ToSlash(name), fset.Position(spec.Pos()).Line, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refuse says why room may not import a package; "" when it may.
func refuse(room string, test bool, imported string) string {
	rest, ours := strings.CutPrefix(imported, module)
	if !ours || rest != "" && rest[0] != '/' {
		return ""
	}
	target := strings.TrimPrefix(rest, "/")
	if target == "" {
		target = "."
	}
	row, allowed := find(rooms, room)
	if row == "" {
		return fmt.Sprintf("room %s is not in the table of rooms: add it, with what it may import", room)
	}
	if test {
		_, more := find(tests, room)
		allowed = append(slices.Clone(allowed), more...)
	}
	if target == room || slices.Contains(allowed, target) || row == target+"/..." {
		return ""
	}
	if strings.HasPrefix(target, room+"/") && room != "." {
		return ""
	}
	return fmt.Sprintf("room %s may not import %s; allowed are %s", room, target, strings.Join(allowed, ", "))
}

// find returns the row of a room: its own, or that of the rooms it is under.
func find(table map[string][]string, room string) (row string, allowed []string) {
	if allowed, ok := table[room]; ok {
		return room, allowed
	}
	for at := path.Dir(room); at != "."; at = path.Dir(at) {
		if allowed, ok := table[at+"/..."]; ok {
			return at + "/...", allowed
		}
	}
	return "", nil
}

func TestRefuse(t *testing.T) {
	for _, tt := range []struct {
		room, imported string
		test, refused  bool
	}{
		{"internal/engine", module + "/internal/history", false, false},
		{"internal/engine", module + "/internal/replay", false, true},
		{"internal/history", module + "/internal/engine", false, true},
		{".", module + "/internal/engine", false, true},
		{"internal/store/memory", module + "/internal/storetest", false, true},
		{"internal/store/memory", module + "/internal/storetest", true, false},
		{"client", module + "/internal/httpapi", false, true},
		{"examples/hello", module, false, false},
		{"examples/hello", module + "/internal/engine", false, true},
		{"nowhere", module + "/internal/history", false, true},
		{"internal/history", "fmt", false, false},
		{"internal/history", module + "x/y", false, false},
	} {
		if why := refuse(tt.room, tt.test, tt.imported); (why != "") != tt.refused {
			t.Errorf("refuse(%q, %v, %q) = %q, want refused %v", tt.room, tt.test, tt.imported, why, tt.refused)
		}
	}
}
