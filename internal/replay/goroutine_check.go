package replay

import (
	"errors"
	"runtime"
	"sync"
)

// CheckRuntime makes sure that this build of Go lets goroutines be told apart
// as [Session] does: else code on foreign goroutines would not be noticed, or
// all code would be taken for it. It looks once in a process.
var CheckRuntime = sync.OnceValue(func() error { return checkGoroutines(goroutine) })

// checkGoroutines looks at some goroutines that are alive at once: each is
// itself, and none is another.
func checkGoroutines(goroutine func() uintptr) error {
	const n = 4
	var first, second [n]uintptr
	var all, rest sync.WaitGroup
	all.Add(n)
	for i := range n {
		rest.Go(func() {
			first[i] = goroutine()
			runtime.Gosched()
			second[i] = goroutine()
			all.Done()
			all.Wait()
		})
	}
	rest.Wait()
	seen := make(map[uintptr]bool)
	for i, id := range first {
		if id == 0 || id != second[i] || seen[id] {
			return errors.New("goroutines cannot be told apart in this build of Go: build with the Go toolchain, and without -buildmode=plugin or c-shared")
		}
		seen[id] = true
	}
	return nil
}
