package history

import "errors"

// Errors that a store returns and whoever asks a hub gets to see.
var (
	// ErrUnavailable: the hub or its store cannot be asked now. What became of
	// a change is unknown.
	ErrUnavailable = errors.New("hub is not available")
	// ErrNoSpace: the disk of the store is (nearly) full. Nothing was stored;
	// it may succeed once there is space.
	ErrNoSpace = errors.New("no space left for the store")
)
