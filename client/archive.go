package client

import (
	"context"

	"github.com/perdure/perdure/internal/hub"
)

// Archive is one instance with its history. Its JSON form can be kept and
// imported anywhere.
type Archive = hub.Archive

// Export returns an instance with the history of its current execution, in
// whatever state it is. Errors: [ErrNotFound], [ErrUnsupported].
func (c *Client) Export(ctx context.Context, id InstanceID) (*Archive, error) {
	archive, err := c.hub.Export(ctx, id)
	if err != nil {
		return nil, c.fail(ctx, "export", id, err)
	}
	return &archive, nil
}

// ImportOptions are what an import can say.
type ImportOptions struct {
	ID    InstanceID // empty: the archive's own
	Reuse Reuse      // when the id is in use
}

// Import stores an archive as an instance of this hub and returns its id.
//
// Errors: [ErrInvalidArgument], [ErrAlreadyExists], [ErrUnsupported].
func (c *Client) Import(ctx context.Context, archive *Archive, o ImportOptions) (InstanceID, error) {
	id, err := c.hub.Import(ctx, hub.ImportRequest{Archive: *archive, ID: o.ID, Reuse: o.Reuse})
	if err != nil {
		return "", c.fail(ctx, "import", o.ID, err)
	}
	return id, nil
}
