package worker

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/perdure/perdure/history"
)

// contain runs an activity's code and calls done when it has ended. No panic
// reaches the caller; runtime.Goexit (t.FailNow, for instance), which nothing stops,
// ends the goroutine after done.
func contain(code func() (json.RawMessage, *history.Failure), done func(json.RawMessage, *history.Failure)) {
	var payload json.RawMessage
	var failure *history.Failure
	returned := false
	defer func() { done(payload, failure) }()
	defer func() {
		switch problem := recover(); {
		case problem != nil:
			failure = &history.Failure{Type: history.FailurePanic, Message: fmt.Sprint(problem), Stack: string(debug.Stack())}
		case !returned:
			failure = &history.Failure{Type: history.FailurePanic, Message: "the activity called runtime.Goexit; return an error instead"}
		}
	}()
	payload, failure = code()
	returned = true
}
