package embedded

import "sync/atomic"

// mapNotes has no memory to offer: what ran when a process died is not
// remembered.
func mapNotes(string, int) (words []atomic.Uint64, before []uint64, err error) { return nil, nil, nil }
