package worker

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/perdure/perdure/history"
)

// contain runs an activity's code so that neither a panic nor runtime.Goexit
// (t.FailNow, for instance) reaches the caller. Nothing stops a Goexit, so the
// code has a goroutine of its own.
func contain(code func() (json.RawMessage, *history.Failure)) (payload json.RawMessage, failure *history.Failure) {
	done := make(chan struct{})
	go func() { // waited for right below; ends with the code
		returned := false
		defer close(done)
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
	}()
	<-done
	return payload, failure
}
