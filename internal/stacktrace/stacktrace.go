// Package stacktrace tells where in the code a goroutine is. It hides how the
// runtime writes a trace.
//
// Go has no names for goroutines, and giving each one would cost what most
// never need. But a trace shows the receivers of methods: a goroutine is found
// by a method that stays on its stack for as long as it lives, and the address
// of that method's receiver. Nothing is paid until somebody asks.
package stacktrace

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
)

// maxTraceBytes bounds a trace. Goroutines beyond it have no place.
const maxTraceBytes = 64 << 20

// Trace is the stacks of all goroutines at one moment.
type Trace struct{ goroutines []string }

// Take stops the program for a moment, some 10 us for each goroutine, and
// writes down all stacks.
func Take() *Trace {
	for size := 1 << 20; ; size *= 4 {
		text := make([]byte, size)
		n := runtime.Stack(text, true)
		if n < size || size >= maxTraceBytes {
			return &Trace{strings.Split(string(text[:n]), "\n\n")}
		}
	}
}

// maxFrames is how many frames a place has.
const maxFrames = 3

// Place returns where the goroutine is whose stack has the method, by its full
// name, with the receiver at that address: the innermost functions of the user
// above it and what they wait for, "main.Charge (charge.go:12) < main.Order
// (order.go:40) [chan receive]". It is empty when there is no such goroutine,
// or none of the user's code on it.
func (t *Trace) Place(method string, receiver uintptr) string {
	mark := fmt.Sprintf("\n%s(%#x", method, receiver)
	for _, g := range t.goroutines {
		at := strings.Index(g, mark)
		if at < 0 {
			continue
		}
		if end := at + len(mark); end < len(g) && !strings.ContainsRune(",)?", rune(g[end])) {
			continue // another address, of which ours is the beginning
		}
		return place(g[:at])
	}
	return ""
}

// place names the frames of a user in a part of a trace.
func place(trace string) string {
	lines := strings.Split(trace, "\n")
	var frames []string
	for i := 1; i+1 < len(lines) && len(frames) < maxFrames; i += 2 { // after "goroutine 7 [running]:"
		name, file := lines[i], strings.TrimSpace(lines[i+1])
		if paren := strings.LastIndexByte(name, '('); paren > 0 && strings.HasSuffix(name, ")") {
			name = name[:paren]
		}
		file, _, _ = strings.Cut(file, " +0x")
		if strings.HasPrefix(name, "...") { // "...12 frames elided..." is one line
			i--
			continue
		}
		if users(name, file) {
			frames = append(frames, fmt.Sprintf("%s (%s)", name, filepath.Base(file)))
		}
	}
	if len(frames) == 0 {
		return ""
	}
	_, state, _ := strings.Cut(lines[0], "[")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",") // for how long
	return strings.Join(frames, " < ") + " [" + state + "]"
}

// ours are the packages of this module that user code is called through.
var ours = []string{"", "/internal/engine", "/internal/replay", "/internal/worker", "/internal/registry", "/internal/stacktrace"}

const module = "github.com/perdure/perdure"

// users reports whether a frame belongs to neither Go nor this module.
func users(name, file string) bool {
	source, _, _ := strings.Cut(file, ".go:")
	if strings.HasSuffix(source, "_test") {
		return true
	}
	for _, room := range ours {
		if strings.HasPrefix(name, module+room+".") {
			return false
		}
	}
	if library != "" {
		return !strings.HasPrefix(file, library)
	}
	root, _, path := strings.Cut(name, "/") // modules have names like domains, mostly
	return strings.HasPrefix(name, "main.") || path && strings.Contains(root, ".")
}

// library is the folder of Go's own packages; empty in a build that does not
// tell, as with -trimpath.
var library = func() string {
	start := reflect.ValueOf(strings.Index).Pointer()
	file, _ := runtime.FuncForPC(start).FileLine(start)
	return strings.TrimSuffix(filepath.ToSlash(file), "strings/strings.go")
}()
