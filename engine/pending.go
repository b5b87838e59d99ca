package engine

import (
	"context"

	"github.com/perdure/perdure/history"
)

// This file holds the operations that are still to be written. Each leaves it
// as it moves into a file of its own; the file goes with the last one.

func (e *Engine) Explain(ctx context.Context, id history.InstanceID) (Explanation, error) {
	return Explanation{}, ErrUnsupported
}
