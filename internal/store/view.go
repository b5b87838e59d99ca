package store

import (
	"context"
	"iter"

	"github.com/perdure/perdure/internal/history"
)

// Viewer shows all that a store holds as of one moment.
type Viewer interface {
	// View returns what is durable now. It must be closed. What is committed
	// meanwhile is not held up.
	View(ctx context.Context) (View, error)
}

// View is a hub as of one moment. Its methods are not for concurrent use.
type View interface {
	Reader
	// About tells which store it is and what became of it, a line each.
	About() []string
	// Partitions returns how many partitions the hub has.
	Partitions() int
	// Epoch returns the epoch of the last owner of a partition, 0 when it never
	// had one.
	Epoch(partition int) Epoch
	// Instances yields what is stored under each number of an instance,
	// entities included, once.
	Instances(ctx context.Context) iter.Seq2[Stored, error]
	// Verify tells what of the store's own rows, such as indexes and counts,
	// does not agree. It calls step again and again, and returns what that
	// returns if it is an error, or what keeps it from looking further.
	Verify(step func() error, tell func(history.Disagreement)) error
	Close() error
}

// Stored is what a store holds of one instance.
type Stored struct {
	Number  history.Number
	Row     history.Instance         // as far as it can be read
	Problem error                    // why there is no row that can be read; nil: it can
	Records iter.Seq2[Record, error] // in order of Seq; good until the next instance is asked for
}
