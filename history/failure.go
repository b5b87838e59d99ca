package history

// Failure is what user code reported when it did not succeed. It is data: it is
// stored, sent to callers and shown, unlike an engine's error, which is not
// (spec/runtime.md 2.13).
type Failure struct {
	Type         string   `json:"type"`                   // error type, for example "*fs.PathError"
	Message      string   `json:"message"`                // the error's text
	Stack        string   `json:"stack,omitempty"`        // where it came from; empty when unknown
	Inner        *Failure `json:"inner,omitempty"`        // the cause it wraps; nil when none
	NonRetriable bool     `json:"nonRetriable,omitempty"` // retry policies give up at once
}

// Types of failures that the engine or the programming model reports itself.
const (
	FailureNonDeterministic = "NonDeterministicOrchestrationException" // the code no longer fits its history
	FailurePanic            = "panic"                                  // user code panicked
	FailureAlreadyExists    = "InstanceAlreadyExists"                  // a child's id belongs to a live instance
	FailureMissing          = "InstanceMissing"                        // a child is not in this hub
	FailureTerminated       = "Terminated"                             // a child was terminated
	FailureActionLimit      = "ActionLimitExceeded"                    // maxOrchestrationActions
	FailureMisuse           = "ContextMisuse"                          // the context was used outside its coroutine
)

// String renders the failure as status output shows it: "Type: Message".
func (f *Failure) String() string {
	if f.Type == "" {
		return f.Message
	}
	return f.Type + ": " + f.Message
}
