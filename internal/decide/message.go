package decide

import (
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// An inbox has what came for an instance and was not decided about. Messages
// know the row that they have in the store, since a decision uses rows up; the
// core looks at nothing of it.

// Message is an event in an inbox.
type Message struct {
	Execution history.ExecutionID // of the addressee; empty: any
	Event     history.Event
	Stored    bool             // it has a row, to be deleted when it is used up
	Key       store.MessageKey // of the row
}

// Find returns the place of the first message of that kind, -1 if there is
// none.
func Find(batch []Message, kind history.Kind) int {
	return slices.IndexFunc(batch, func(m Message) bool { return m.Event.Kind == kind })
}

// Keys lists the rows of the stored messages among batch.
func Keys(batch []Message) []store.MessageKey {
	var keys []store.MessageKey
	for i := range batch {
		if batch[i].Stored {
			keys = append(keys, batch[i].Key)
		}
	}
	return keys
}

// without returns batch without the message at.
func without(batch []Message, at int) []Message {
	return append(batch[:at:at], batch[at+1:]...)
}
