package history

import (
	"strings"
	"unicode/utf8"
)

// Failure is what user code reported when it did not succeed. It is data: it is
// stored, sent to callers and shown, unlike an engine's error, which is not
// (docs/contracts/runtime.md 2.13).
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
	FailurePoison           = "Poison"                                 // an activity that takes the program down again and again
	FailureActionLimit      = "ActionLimitExceeded"                    // maxOrchestrationActions
	FailureMisuse           = "ContextMisuse"                          // the context was used outside its coroutine
)

// plainTypes are the types of errors that are nothing but their text.
var plainTypes = map[string]bool{
	"*errors.errorString": true, "*errors.joinError": true, "*fmt.wrapError": true, "*fmt.wrapErrors": true,
	"context.deadlineExceededError": true,
}

// String renders the failure as status output shows it: "Type: Message", and
// the message alone where the type of the error tells nothing.
func (f *Failure) String() string {
	if f.Type == "" || plainTypes[f.Type] {
		return f.Message
	}
	return f.Type + ": " + f.Message
}

// BriefBytes is how long a text is at most that [Brief] returns.
const BriefBytes = 300

// Brief is the text of a failure as lists have it: the first line, cut if it is
// too long. It holds nothing of the rest.
func Brief(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) <= BriefBytes {
		return strings.Clone(text)
	}
	const more = "…"
	end := BriefBytes - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// Bytes is how much text the failure holds, with its causes.
func (f *Failure) Bytes() (n int) {
	for ; f != nil; f = f.Inner {
		n += len(f.Type) + len(f.Message) + len(f.Stack)
	}
	return n
}

// Trace returns the stack of the failure, or of the first of its causes that
// has one; empty when none has.
func (f *Failure) Trace() string {
	for ; f != nil; f = f.Inner {
		if f.Stack != "" {
			return f.Stack
		}
	}
	return ""
}

// NonRetriable reports whether err, or any error that it wraps or joins, says
// by a method NonRetriable() bool that trying again is of no use.
func NonRetriable(err error) bool {
	if e, ok := err.(interface{ NonRetriable() bool }); ok && e.NonRetriable() {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return NonRetriable(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if NonRetriable(inner) {
				return true
			}
		}
	}
	return false
}
