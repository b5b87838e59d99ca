package stacktrace

import (
	"regexp"
	"sync"
	"testing"
	"unsafe"
)

// stays keeps its receiver on the stack, as those do that can be found.
type stays struct{ calls int }

//go:noinline
func (s *stays) run(f func()) {
	for s.calls = 0; s.calls < 1; s.calls++ {
		f()
	}
}

func hold(mu *sync.Mutex, ready chan<- struct{}) func() {
	return func() { ready <- struct{}{}; mu.Lock() }
}

func TestPlaceOfAGoroutine(t *testing.T) {
	const method = "github.com/perdure/perdure/internal/stacktrace.(*stays).run"
	var mu sync.Mutex
	mu.Lock()
	ready, a, b := make(chan struct{}), &stays{}, &stays{}
	var group sync.WaitGroup
	group.Go(func() { a.run(hold(&mu, ready)) })
	<-ready
	group.Go(func() { b.run(func() { ready <- struct{}{} }) })
	var trace *Trace
	want := regexp.MustCompile(`^\S+hold\S+ \(stacktrace_test\.go:21\) \[sync\.Mutex\.Lock\]$`)
	got := ""
	for tries := 0; !want.MatchString(got); tries++ { // it may be on its way to the lock
		if tries == 100 {
			t.Fatalf("Place() = %q; want it to match %s", got, want)
		}
		trace = Take()
		got = trace.Place(method, uintptr(unsafe.Pointer(a)))
	}
	if other := trace.Place(method, uintptr(unsafe.Pointer(b))); other == got {
		t.Errorf("the other goroutine is at %q too", other)
	}
	if got := trace.Place(method, 1); got != "" {
		t.Errorf("Place(nobody) = %q; want none", got)
	}
	<-ready
	mu.Unlock()
	group.Wait()
}

func TestFramesOfTheUser(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       bool
	}{
		{"main.Charge", "/app/charge.go:3", true},
		{"github.com/perdure/perdure.(*Task[...]).Await", "/x/task.go:3", false},
		{"github.com/perdure/perdure/examples/first.Trip", "/x/trip.go:3", true},
		{"github.com/perdure/perdure/internal/engine_test.Stuck", "/x/a_test.go:3", true},
		{"net/http.(*Client).Do", library + "net/http/client.go:3", false},
		{"runtime.gopark", library + "runtime/proc.go:3", false},
	} {
		if got := users(test.name, test.file); got != test.want {
			t.Errorf("users(%s, %s) = %v; want %v", test.name, test.file, got, test.want)
		}
	}
}
