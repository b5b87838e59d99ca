package embedded

import (
	"context"

	"github.com/perdure/perdure/internal/store"
)

// Provider is a [DB] as a [store.Provider].
type Provider struct{ *DB }

var _ store.Provider = Provider{}

// Hub implements [store.Provider].
func (p Provider) Hub(ctx context.Context, name string, options store.HubOptions) (store.Hub, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	h, err := p.DB.Hub(name, options)
	if err != nil {
		return nil, err // and not a nil Hub
	}
	return h, nil
}

// Hubs implements [store.Provider].
func (p Provider) Hubs(ctx context.Context) ([]string, error) { return p.DB.Hubs(), context.Cause(ctx) }

// DeleteHub implements [store.Provider]. It asks for no free space on the disk,
// since it makes some; that comes back soon, in the background.
func (p Provider) DeleteHub(ctx context.Context, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return p.DB.DeleteHub(name)
}

// Health implements [store.Provider].
func (p Provider) Health() (notes []string, err error) {
	if _, cut := p.Cut(); cut {
		notes = append(notes, "log cut")
	}
	return notes, p.DB.Health()
}
