package replay

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/perdure/perdure/internal/history"
)

// PanicFailure is the failure of user code that panicked. The deferred function
// that recovered problem calls it.
func PanicFailure(problem any) *history.Failure {
	err, _ := problem.(error)
	return &history.Failure{Type: history.FailurePanic, Message: fmt.Sprint(problem), Stack: userStack(), NonRetriable: history.NonRetriable(err)}
}

// maxFrames bounds how much of the stack below a panic is looked at.
const maxFrames = 128

// userStack is the stack of the panic that is being recovered, from where it
// was raised down to the user's function: what recovered it and what called the
// user is the same for every panic and is left out.
func userStack() string {
	pcs := make([]uintptr, maxFrames)
	callers := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var frames []runtime.Frame
	below := false // the panic
	for {
		frame, more := callers.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if below && (!inRuntime || len(frames) > 0) {
			frames = append(frames, frame)
		}
		below = below || frame.Function == "runtime.gopanic"
		if !more {
			break
		}
	}
	for n := len(frames); n > 1 && ours(frames[n-1].Function); n = len(frames) {
		frames = frames[:n-1]
	}
	var text strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&text, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return text.String()
}

// ours reports whether function is part of what calls the user's functions.
func ours(function string) bool {
	for _, room := range []string{
		"runtime.", "iter.", "github.com/perdure/perdure.", "github.com/perdure/perdure/internal/",
	} {
		if strings.HasPrefix(function, room) {
			return true
		}
	}
	return false
}
