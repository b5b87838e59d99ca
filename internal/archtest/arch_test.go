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
//	cmd -> host                         wiring
//	httpapi  client                     the edges: they know hub and wire, never the engine
//	internal/worker   store/...
//	root, replay |    | engine          two towers that do not import each other
//	        hub  wire  store            contracts
//	        history                     one floor
var rooms = map[string][]string{
	"history":             {},
	"history/...":         {"history"},
	"internal/store":      {"history"}, // the storage contract
	"internal/hub":        {"history"}, // what one can ask of a hub
	"engine":              {"history", "internal/hub", "internal/ledger", "internal/stacktrace", "internal/store"},
	"store/memory":        {"history", "internal/store"},
	"store/embedded":      {"history", "internal/backup", "internal/ledger", "internal/private", "internal/store"},
	"storetest":           {"history", "internal/store", "store/memory"},
	"internal/registry":   {"history", "internal/replay"},
	"internal/replay":     {"history", "internal/stacktrace"},
	".":                   {"history", "internal/registry", "internal/replay"},
	"internal/worker":     {".", "engine", "history", "internal/registry", "internal/replay", "internal/stacktrace"},
	"config":              {"internal/wire"},
	"client":              {"history", "internal/hub", "internal/links", "internal/private", "internal/wire"},
	"httpapi":             {"history", "internal/hub", "internal/links", "internal/nearest", "internal/wire"},
	"host":                {".", "client", "config", "engine", "history", "httpapi", "internal/audit", "internal/backup", "internal/hub", "internal/private", "internal/store", "internal/wire", "internal/worker", "store/embedded"},
	"cmd/perdure":         {"client", "config", "history", "host", "internal/audit", "internal/backup", "internal/nearest", "internal/wire"},
	"examples/...":        {".", "client", "host"},
	"internal/links":      {},
	"internal/wire":       {"history", "internal/hub"}, // how the API and its client know each other
	"internal/ledger":     {},                          // how sets that come in different orders are compared
	"internal/nearest":    {},                          // how a slip is told from another name
	"internal/stacktrace": {},                          // how the runtime writes a trace
	"internal/audit":      {"internal/private"},        // how a record is kept of which nothing can be taken away unseen
	"internal/private":    {},                          // whose a file, a folder or a socket is
	"internal/backup":     {},                          // how copies lie in a folder, so that half a backup never counts
	"internal/archtest":   {},
	"internal/testcert":   {},
}

// tests says what the tests of a room may import besides.
var tests = map[string][]string{
	"history":         {},
	"engine":          {".", "client", "internal/worker", "store/memory", "store/embedded", "storetest"},
	"store/memory":    {"storetest"},
	"store/embedded":  {"engine", "internal/hub", "store/memory", "storetest"},
	".":               {"engine", "internal/worker", "store/memory", "store/embedded"},
	"internal/worker": {"store/memory", "store/embedded"},
	"client":          {".", "engine", "httpapi", "internal/store", "internal/worker", "store/memory"},
	"httpapi":         {".", "engine", "internal/worker", "store/memory", "client"},
	"cmd/perdure":     {".", "internal/testcert"},
	"host":            {"internal/testcert"},
	"examples/...":    {"engine", "internal/worker", "store/memory"},
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
		{"engine", module + "/history", false, false},
		{"engine", module + "/internal/replay", false, true},
		{"history", module + "/engine", false, true},
		{".", module + "/engine", false, true},
		{"store/memory", module + "/storetest", false, true},
		{"store/memory", module + "/storetest", true, false},
		{"client", module + "/httpapi", false, true},
		{"examples/hello", module, false, false},
		{"examples/hello", module + "/engine", false, true},
		{"nowhere", module + "/history", false, true},
		{"history", "fmt", false, false},
		{"history", module + "x/y", false, false},
	} {
		if why := refuse(tt.room, tt.test, tt.imported); (why != "") != tt.refused {
			t.Errorf("refuse(%q, %v, %q) = %q, want refused %v", tt.room, tt.test, tt.imported, why, tt.refused)
		}
	}
}
