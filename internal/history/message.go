package history

// Message is an event on its way to an instance.
type Message struct {
	To          InstanceID
	ExecutionID ExecutionID // of the addressee; empty: whatever is current
	Event       Event
}
